"""A session: one chain, one store, one keyring, and the services wired to them. Wiring, and nothing else.

    from medshare import connect

    with connect() as session:
        hospital = session.keyring.open("hospital", lambda name: "the passphrase")
        published = session.publishing.publish(
            Path("observation.json"), custodian=hospital, patient=patient, description=Description()
        )

``connect`` is a convenience: each service can be built by hand from ports.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from medshare.chain import OpenChain, deployment_file, load_network, open_chain
from medshare.chain.agreement import newest_confirmed
from medshare.chain.networks import NetworkKind
from medshare.chain.signing import ChainWallets, domains_of
from medshare.content import Cid, Codec
from medshare.errors import DeploymentNotFoundError
from medshare.files import private_folder
from medshare.ingesting import Ingesting
from medshare.keyring import Keyring
from medshare.loading import Loading
from medshare.model.ids import Address
from medshare.model.typed_data import SignedMessage
from medshare.places import open_keyring, open_nodes, open_own_store, open_store
from medshare.ports import BlobStore, Clock, Ledger, Receipt, Signer
from medshare.receipting import ControllerProfiles, Receipting
from medshare.recognising import Recognising
from medshare.scoring import Scoring
from medshare.services.accepting import Accepting
from medshare.services.accounting import Accounting
from medshare.services.assessing import Assessing
from medshare.services.auditing import Auditing
from medshare.services.batch_book import BatchBook
from medshare.services.batched_ledger import batched_ledger
from medshare.services.batching import Batching
from medshare.services.bundle_journal import BundleJournal
from medshare.services.consenting import Consenting
from medshare.services.delivering import Delivering
from medshare.services.emergencies import Emergencies
from medshare.services.erasing import Erasing
from medshare.services.erasure_book import ErasureBook
from medshare.services.erasure_journal import ErasureJournal
from medshare.services.erasure_notices import ErasureNotices
from medshare.services.erasure_planning import ErasurePlanning
from medshare.services.examining import Examining
from medshare.services.finding import Finding
from medshare.services.forgetting import Forgetting
from medshare.services.governing import Governing
from medshare.services.guarding import Guarding
from medshare.services.history import History
from medshare.services.holds import LegalHolds
from medshare.services.inbox import Inbox
from medshare.services.index import LedgerIndex
from medshare.services.journal import PublicationJournal
from medshare.services.judging import Judging
from medshare.services.load_journal import LoadJournal
from medshare.services.offering import Offering
from medshare.services.paid import Paying, paid_ledger
from medshare.services.past_readers import PastReaders
from medshare.services.publishing import Publishing
from medshare.services.receipt_accounts import ReceiptAccounts
from medshare.services.receipt_journal import ReceiptJournal
from medshare.services.receipts import Receipts
from medshare.services.registering import Registering
from medshare.services.relaying import Relaying, RelayPolicy
from medshare.services.replicated_store import ReplicatedStore, Shortfall
from medshare.services.replicating import HERE, Replicating
from medshare.services.representing import Representing
from medshare.services.request_book import RequestBook
from medshare.services.request_journal import RequestJournal
from medshare.services.request_notices import RequestNotices
from medshare.services.requesting import Requesting
from medshare.services.resealing import Resealing
from medshare.services.restoring import Restoring
from medshare.services.retrieving import Retrieving
from medshare.services.rewarding import Rewarding
from medshare.services.rotating import Rotating
from medshare.services.safe import Safe
from medshare.services.sent_roots import SentRoots
from medshare.services.signing import Signing
from medshare.services.slip_journal import SlipJournal
from medshare.services.slips import Slips
from medshare.services.standing import StandingConsents
from medshare.services.storing import Storing
from medshare.services.verifying import Verifying
from medshare.settings import Settings
from medshare.storage import GatewayBlobStore, KuboBlobStore, SeveralStores


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return Unix seconds."""
        return int(time.time())


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Services wired to one chain and one store."""

    settings: Settings
    chain: OpenChain
    ledger: Ledger
    store: BlobStore
    keyring: Keyring
    clock: Clock
    publishing: Publishing
    batches: BatchBook
    finding: Finding
    ingesting: Ingesting
    loading: Loading
    restoring: Restoring
    rotating: Rotating
    consenting: Consenting
    receipting: Receipting
    controllers: ControllerProfiles
    representing: Representing
    guarding: Guarding
    emergencies: Emergencies
    receipts: Receipts
    receipt_accounts: ReceiptAccounts
    assessing: Assessing
    scoring: Scoring
    slips: Slips
    governing: Governing
    requesting: Requesting
    offering: Offering
    accepting: Accepting
    delivering: Delivering
    rewarding: Rewarding
    inbox: Inbox
    holds: LegalHolds
    erasing: Erasing
    erasures: ErasureBook
    forgetting: Forgetting
    retrieving: Retrieving
    history: History
    recognising: Recognising
    auditing: Auditing
    accounting: Accounting
    examining: Examining
    signing: Signing
    replicating: Replicating
    verifying: Verifying

    @property
    def shortfalls(self) -> tuple[Shortfall, ...]:
        """What this session has pinned at fewer of the institutions' nodes than it should be."""
        return self.store.shortfalls if isinstance(self.store, ReplicatedStore) else ()

    def relaying(self, payer: Signer, policy: RelayPolicy | None = None) -> Relaying:
        """Return what sends signed messages of others, paid for by ``payer``."""
        return _relaying(self.chain, payer, self.clock, self.settings.home, policy)


@contextmanager
def connect(home: Path | None = None, *, network: str | None = None, paying: Paying | None = None) -> Iterator[Session]:
    """Open a session in a home that is there; it ends with the block.

    Args:
        home: the folder with settings, keys, and, on the embedded default, chain and store, as ``medshare init`` or
            ``make_home`` makes it; default: the environment variable MEDSHARE_HOME, else the user's data folder.
        network: a network's name, in place of the one in the settings.
        paying: who pays for what is signed in this session; default: each actor sends and pays himself.

    Raises:
        HomeNotFoundError: the folder is no home. Nothing is made there.
        DeploymentNotFoundError: no deployment on this network is on file.
        ConfigurationError: settings, network profile or deployment do not fit.
        LedgerBusyError: another process has the embedded chain open.
        LedgerUnavailableError: the node cannot be reached.
    """
    settings = Settings.load(home).on(network)
    profile = load_network(settings.network, settings.networks_file)
    home = settings.home
    if profile.kind is NetworkKind.EMBEDDED and not deployment_file(home, profile.name).exists():
        # Said before it is opened: to open the embedded chain is to make it.
        raise DeploymentNotFoundError(profile.name)
    with ExitStack() as resources:
        chain = resources.enter_context(open_chain(profile, home))
        nodes = open_nodes(settings)
        own = open_store(settings, nodes)
        for each in (own, *(node.store for node in nodes)):
            if isinstance(each, KuboBlobStore | GatewayBlobStore | SeveralStores):
                resources.callback(each.close)
        copies = settings.replication.copies
        store = ReplicatedStore(own, nodes, copies=copies) if nodes else own
        clock = SystemClock()
        signing = Signing(
            ledger=chain.ledger,
            domains=domains_of(chain.deployment),
            wallets=ChainWallets(chain.client),
            clock=clock,
        )
        state = private_folder(home / "state" / profile.name)
        journal = PublicationJournal(state)
        loads = LoadJournal(journal)
        roots = SentRoots(
            has_sent=chain.sender.has_sent, journal=loads, confirmed_at=lambda: newest_confirmed(chain.client).time
        )
        ledger = chain.ledger if paying is None else _paid(chain, signing, paying, clock, home, roots)
        batches = BatchBook(state)
        ledger = batched_ledger(ledger, batches)
        index = LedgerIndex(
            state / "index.sqlite", ledger.chain, deployment=chain.deployment.deployment_id, batched=batches
        )
        auditing = Auditing(index=index)
        standing = StandingConsents(ledger=ledger, store=store, clock=clock, auditing=auditing)
        slip_journal = SlipJournal(state)
        slips = Slips(ledger=ledger, store=store, auditing=auditing, journal=slip_journal)
        retrieving = Retrieving(ledger=ledger, store=store, clock=clock, auditing=auditing, slips=slips)
        safe = Safe(home / "safe")
        controllers = ControllerProfiles(home / "controllers")
        receipting = Receipting(
            ledger=ledger,
            store=store,
            auditing=auditing,
            safe=safe,
            profiles=controllers,
            chain_id=chain.deployment.chain_id,
            registry=Address(chain.deployment.contract("ConsentRegistry").address),
        )
        consenting = Consenting(
            ledger=ledger,
            store=store,
            auditing=auditing,
            retrieving=retrieving,
            journal=BundleJournal(state / "bundles.sqlite"),
            slips=slips,
            receipts=receipting,
            batches=batches,
        )
        receipt_journal = ReceiptJournal(state)
        receipts = Receipts(
            ledger=ledger,
            journal=receipt_journal,
            consents=domains_of(chain.deployment)["ConsentRegistry"],
            wallets=ChainWallets(chain.client),
            clock=clock,
        )
        emergencies = Emergencies(
            ledger=ledger, store=store, clock=clock, auditing=auditing, safe=safe, slips=slips, batches=batches
        )
        governing = Governing(ledger=ledger, clock=clock, auditing=auditing, safe=safe)
        book = RequestBook(index=index)
        judging = Judging(auditing=auditing)
        request_journal = RequestJournal(state)
        requesting = Requesting(
            ledger=ledger,
            store=store,
            clock=clock,
            auditing=auditing,
            book=book,
            journal=request_journal,
            safe=safe,
            retrieving=retrieving,
            judging=judging,
            slips=slips,
        )
        offering = Offering(
            ledger=ledger, store=store, clock=clock, auditing=auditing, book=book, requesting=requesting
        )
        assessing = Assessing(ledger=ledger, auditing=auditing, slips=slips)
        history = History(auditing=auditing, retrieving=retrieving)
        replicating = Replicating(index=index, clock=clock, own=own, nodes=nodes, copies=copies)
        storing = Storing(ledger=ledger, store=store, journal=journal, auditing=auditing, standing=standing)
        registering = Registering(ledger=ledger, store=store, journal=journal)
        resealing = Resealing(store=store, journal=journal, storing=storing, registering=registering)
        publishing = Publishing(ledger=ledger, journal=journal, auditing=auditing, storing=storing, resealing=resealing)
        finding = Finding(store=store, auditing=auditing, book=batches)
        batching = Batching(
            ledger=ledger,
            store=store,
            journal=loads,
            auditing=auditing,
            standing=standing,
            book=batches,
            resealing=resealing,
            on_its_way=roots.on_its_way,
        )
        holds = LegalHolds(ledger=ledger, clock=clock, auditing=auditing, safe=safe)
        erasure_journal = ErasureJournal(state)
        places: dict[str, BlobStore] = {HERE: own, **{node.name: node.store for node in nodes}}
        registry, wallets = domains_of(chain.deployment)["RecordRegistry"], ChainWallets(chain.client)
        erasures = ErasureBook(
            ledger=ledger,
            clock=clock,
            auditing=auditing,
            journal=erasure_journal,
            places=places,
            domain=registry,
            wallets=wallets,
        )
        yield Session(
            settings=settings,
            chain=chain,
            ledger=ledger,
            store=store,
            keyring=open_keyring(settings),
            clock=clock,
            publishing=publishing,
            batches=batches,
            finding=finding,
            ingesting=Ingesting(publishing=publishing),
            loading=Loading(
                batching=batching,
                publishing=publishing,
                journal=journal,
                loads=loads,
                auditing=auditing,
                store=store,
            ),
            restoring=Restoring(journal=journal, store=store, auditing=auditing, finding=finding),
            rotating=Rotating(store=store, clock=clock, auditing=auditing, standing=standing, resealing=resealing),
            consenting=consenting,
            receipting=receipting,
            controllers=controllers,
            representing=Representing(ledger=ledger, auditing=auditing, consenting=consenting),
            guarding=Guarding(
                ledger=ledger,
                safe=safe,
                domain=domains_of(chain.deployment)["ConsentRegistry"],
                wallets=ChainWallets(chain.client),
            ),
            emergencies=emergencies,
            receipts=receipts,
            receipt_accounts=ReceiptAccounts(
                ledger=ledger, auditing=auditing, journal=receipt_journal, receipts=receipts
            ),
            assessing=assessing,
            scoring=Scoring(retrieving=retrieving, assessing=assessing, journal=slip_journal),
            slips=slips,
            governing=governing,
            requesting=requesting,
            offering=offering,
            accepting=Accepting(
                ledger=ledger,
                book=book,
                journal=request_journal,
                offering=offering,
                consenting=consenting,
                auditing=auditing,
                judging=judging,
                slips=slips,
                signing=signing,
            ),
            delivering=Delivering(
                ledger=ledger,
                store=store,
                clock=clock,
                auditing=auditing,
                book=book,
                standing=standing,
                receipts=receipts,
                judging=judging,
                slips=slips,
            ),
            rewarding=Rewarding(ledger=ledger, auditing=auditing, book=book),
            inbox=Inbox(
                ledger=ledger,
                clock=clock,
                auditing=auditing,
                emergencies=emergencies,
                governing=governing,
                requests=RequestNotices(ledger=ledger, auditing=auditing, book=book, requesting=requesting),
                erasures=ErasureNotices(auditing=auditing, book=erasures, journal=erasure_journal),
                folder=state / "inbox",
            ),
            holds=holds,
            erasing=Erasing(
                ledger=ledger,
                clock=clock,
                auditing=auditing,
                planning=ErasurePlanning(
                    ledger=ledger,
                    store=store,
                    clock=clock,
                    auditing=auditing,
                    holds=holds,
                    emergencies=emergencies,
                    readers=PastReaders(store=store, auditing=auditing, standing=standing, emergencies=emergencies),
                    publications=journal,
                    safe=safe,
                    policy=home / "retention.toml",
                ),
                publications=journal,
                journal=erasure_journal,
                places=places,
                domain=registry,
                wallets=wallets,
                slips=slips,
                batches=batches,
            ),
            erasures=erasures,
            forgetting=Forgetting(
                ledger=ledger,
                store=store,
                clock=clock,
                auditing=auditing,
                journal=erasure_journal,
                places=places,
                own=HERE,
                domain=registry,
                wallets=wallets,
                slips=slips,
            ),
            retrieving=retrieving,
            history=history,
            recognising=Recognising(
                auditing=auditing, history=history, retrieving=retrieving, assessing=assessing, clock=clock
            ),
            auditing=auditing,
            accounting=Accounting(ledger=ledger, auditing=auditing),
            examining=Examining(
                ledger=ledger,
                store=store,
                clock=clock,
                auditing=auditing,
                journal=journal,
                folder=home,
                replicating=replicating if nodes else None,
            ),
            signing=signing,
            replicating=replicating,
            verifying=Verifying(ledger=ledger, index=index),
        )


def _relaying(chain: OpenChain, payer: Signer, clock: Clock, home: Path, policy: RelayPolicy | None) -> Relaying:
    return Relaying(
        relay=chain.ledger.relay,
        chain=chain.ledger.chain,
        payer=payer,
        domains=domains_of(chain.deployment),
        wallets=ChainWallets(chain.client),
        clock=clock,
        # What was on its way is taken up by who sent it: each payer has a journal of his own.
        folder=private_folder(home / "state" / chain.profile.name / "relay" / payer.address),
        policy=policy,
    )


def _paid(chain: OpenChain, signing: Signing, paying: Paying, clock: Clock, home: Path, roots: SentRoots) -> Ledger:
    relaying = _relaying(chain, paying.payer, clock, home, None)
    relaying.relay(())  # what was on its way is awaited: the services ask the chain what stands before they sign anew

    def pay(signed: SignedMessage) -> Receipt:
        roots.keep(signed)
        return relaying.pay(signed)

    return paid_ledger(chain.ledger, signing=signing, pay=pay, paying=paying)


def make_home(settings: Settings) -> None:
    """Make the home that these settings describe; on the embedded chain, which is nobody else's, deploy the contracts.

    The settings are written last: what fails leaves them as they were. In a home that is there already nothing is
    deployed again.

    Raises:
        ConfigurationError: settings, network profile or deployment do not fit.
        DeploymentNotFoundError: the network is shared, and no deployment on it is on file.
        LedgerBusyError: another process has the embedded chain open.
        LedgerUnavailableError: the node cannot be reached.
        StoreError: the store does not answer.
    """
    profile = load_network(settings.network, settings.networks_file)
    # It is asked, and must answer; what, does not matter.
    open_own_store(settings).has(Cid.of(Codec.RAW, b""))
    with open_chain(profile, settings.home) as chain:
        chain.ensure_deployed()
    settings.save()
