// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessToken} from "./AccessToken.sol";
import {Signed} from "./Signed.sol";
import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IAuthority} from "./interfaces/IAuthority.sol";
import {IEmergencyAccess} from "./interfaces/IEmergencyAccess.sol";
import {Purposes} from "./libraries/Purposes.sol";
import {BundleId, EpisodeId} from "./types/Ids.sol";

/// @title EmergencyAccess
/// @notice Break-glass: seen by everybody, over in hours, reviewed by somebody else.
/// @dev Immutable, without owner. Episodes are numbered by clinician, so that the oldest one unreviewed is found
/// without searching.
contract EmergencyAccess is AccessToken, Signed, IEmergencyAccess {
    uint8 private constant LAST_REASON = 4;
    uint32 private constant SHORTEST_EPISODE = 1 minutes;
    uint256 private constant NUMBER_BITS = 96;

    bytes32 private constant END_EPISODE = keccak256("EndEpisode(uint256 episodeId,uint32 deadline)");
    bytes32 private constant SET_BAR =
        keccak256("SetBar(address patient,bool barred,uint32 count,uint32 deadline)");

    struct Bar {
        bool barred;
        uint32 count;
    }

    IAuthority private immutable _authority;
    IAccreditation private immutable _accreditation;

    /// @inheritdoc IEmergencyAccess
    uint32 public immutable longestEpisode;
    /// @inheritdoc IEmergencyAccess
    uint32 public immutable reviewPeriod;
    /// @inheritdoc IEmergencyAccess
    uint32 public immutable mostUnreviewed;

    // slot 0: patient, openedAt, endsAt, reason, verdict
    mapping(EpisodeId id => Episode) private _episodes;

    // slot 0: episodes, reviewed
    mapping(address clinician => Standing) private _standings;

    // slot 0: barred, count
    mapping(address patient => Bar) private _bars;

    /// @param authority who says who is in control of a patient
    /// @param accreditation who says who is a clinician
    /// @param longest longest episode, seconds
    /// @param period time from the opening of an episode to the deadline of its review, seconds
    /// @param most how many episodes of one clinician may wait for review
    constructor(IAuthority authority, IAccreditation accreditation, uint32 longest, uint32 period, uint32 most) {
        _authority = authority;
        _accreditation = accreditation;
        longestEpisode = longest;
        reviewPeriod = period;
        mostUnreviewed = most;
    }

    // ------------------------------------------------------------------------------------------ BREAKING THE GLASS

    /// @inheritdoc IEmergencyAccess
    function breakGlass(
        address patient,
        uint8 reason,
        bytes32 details,
        uint32 duration
    ) external returns (EpisodeId id) {
        Standing memory standing = _standings[msg.sender];

        if (!_accreditation.isAccredited(msg.sender, IAccreditation.Kind.Clinician)) {
            revert EmergencyAccessNotAccredited(msg.sender);
        }
        if (_bars[patient].barred) revert EmergencyAccessBarred(patient);
        _requireStanding(standing);

        if (patient == address(0) || patient == msg.sender) revert EmergencyAccessPatientInvalid(patient);
        if (reason == 0 || reason > LAST_REASON) revert EmergencyAccessReasonUnknown(reason);
        if (duration < SHORTEST_EPISODE || duration > longestEpisode) {
            revert EmergencyAccessDurationOutOfRange(duration, longestEpisode);
        }
        _requireNoneOpen(standing, patient);

        uint32 endsAt = uint32(block.timestamp) + duration;
        id = _idOf(msg.sender, ++standing.episodes);
        _standings[msg.sender] = standing;
        _episodes[id] = Episode({
            patient: patient,
            openedAt: uint32(block.timestamp),
            endsAt: endsAt,
            reason: reason,
            verdict: Verdict.None
        });

        emit GlassBroken(patient, msg.sender, id, reason, details, endsAt);
        emit TransferSingle(msg.sender, address(0), msg.sender, EpisodeId.unwrap(id), 1);
    }

    /// @dev The oldest one unreviewed must not be overdue, and not too many may wait.
    function _requireStanding(Standing memory standing) private view {
        uint32 waiting = standing.episodes - standing.reviewed;

        if (waiting == 0) return;
        EpisodeId oldest = _idOf(msg.sender, standing.reviewed + 1);
        if (block.timestamp >= uint256(_episodes[oldest].openedAt) + reviewPeriod) {
            revert EmergencyAccessReviewOverdue(oldest);
        }
        if (waiting >= mostUnreviewed) revert EmergencyAccessTooManyUnreviewed(msg.sender, mostUnreviewed);
    }

    /// @dev Backwards from the newest: no older one than the longest episode can still be open.
    function _requireNoneOpen(Standing memory standing, address patient) private view {
        for (uint32 number = standing.episodes; number != 0; --number) {
            EpisodeId id = _idOf(msg.sender, number);
            Episode memory episode = _episodes[id];

            if (block.timestamp >= uint256(episode.openedAt) + longestEpisode) return;
            if (episode.patient == patient && block.timestamp < episode.endsAt) {
                revert EmergencyAccessEpisodeOpen(id);
            }
        }
    }

    // ------------------------------------------------------------------------------------------- ENDING AN EPISODE

    /// @inheritdoc IEmergencyAccess
    function end(EpisodeId id) external {
        Episode memory episode = _existing(id);

        if (msg.sender != _clinicianOf(id)) _requireControl(episode.patient, msg.sender);

        _end(id, episode, msg.sender);
    }

    /// @inheritdoc IEmergencyAccess
    function endSigned(EpisodeId id, address signer, uint32 deadline, bytes calldata signature) external {
        Episode memory episode = _existing(id);

        _requireControl(episode.patient, signer);
        _requireSignature(signer, keccak256(abi.encode(END_EPISODE, id, deadline)), deadline, signature);

        _end(id, episode, signer);
    }

    function _end(EpisodeId id, Episode memory episode, address by) private {
        if (block.timestamp >= episode.endsAt) revert EmergencyAccessEpisodeOver(id);

        _episodes[id].endsAt = uint32(block.timestamp);

        emit EpisodeEnded(id, by);
        emit TransferSingle(by, _clinicianOf(id), address(0), EpisodeId.unwrap(id), 1);
    }

    // --------------------------------------------------------------------------------------------- RELEASING KEYS

    /// @inheritdoc IEmergencyAccess
    function release(EpisodeId id, BundleId bundle) external {
        Episode memory episode = _existing(id);

        if (!_isInForce(id, episode)) revert EmergencyAccessEpisodeOver(id);

        emit KeysReleased(id, msg.sender, bundle);
    }

    // --------------------------------------------------------------------------------------------------- REVIEWING

    /// @inheritdoc IEmergencyAccess
    function review(EpisodeId id, Verdict verdict, bytes32 note) external {
        Episode memory episode = _existing(id);
        address clinician = _clinicianOf(id);

        if (!_accreditation.isAccredited(msg.sender, IAccreditation.Kind.Reviewer)) {
            revert EmergencyAccessNotAccredited(msg.sender);
        }
        if (msg.sender == clinician || msg.sender == episode.patient || msg.sender == _controllerOf(episode.patient)) {
            revert EmergencyAccessNotAllowed(msg.sender);
        }
        if (episode.verdict != Verdict.None) revert EmergencyAccessReviewed(id);
        if (verdict == Verdict.None) revert EmergencyAccessVerdictMissing();

        _episodes[id].verdict = verdict;
        _countReviewed(clinician);

        emit EpisodeReviewed(id, msg.sender, verdict, note);
    }

    /// @dev Each episode is passed once: at most `mostUnreviewed` steps in one call.
    function _countReviewed(address clinician) private {
        Standing memory standing = _standings[clinician];

        while (
            standing.reviewed < standing.episodes &&
            _episodes[_idOf(clinician, standing.reviewed + 1)].verdict != Verdict.None
        ) ++standing.reviewed;

        _standings[clinician] = standing;
    }

    // ---------------------------------------------------------------------------------------- BARRING BREAK-GLASS

    /// @inheritdoc IEmergencyAccess
    function setBar(address patient, bool barred) external {
        _requireControl(patient, msg.sender);

        _setBar(patient, barred);
    }

    /// @inheritdoc IEmergencyAccess
    function setBarSigned(
        address patient,
        bool barred,
        uint32 count,
        address signer,
        uint32 deadline,
        bytes calldata signature
    ) external {
        _requireControl(patient, signer);
        bytes32 hash = keccak256(abi.encode(SET_BAR, patient, barred, count, deadline));
        _requireSignature(signer, hash, deadline, signature);
        if (count != _bars[patient].count) revert SignedOutdated(count, _bars[patient].count);

        _setBar(patient, barred);
    }

    function _setBar(address patient, bool barred) private {
        uint32 count = _bars[patient].count + 1;

        _bars[patient] = Bar({barred: barred, count: count});

        emit BarSet(patient, barred, count);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IEmergencyAccess
    function isLive(EpisodeId id, uint16 purposes) external view returns (bool) {
        return purposes == Purposes.BTG && _isInForce(id, _episodes[id]);
    }

    /// @inheritdoc IEmergencyAccess
    function getEpisode(EpisodeId id) external view returns (Episode memory) {
        return _existing(id);
    }

    /// @inheritdoc IEmergencyAccess
    function getStanding(address clinician) external view returns (Standing memory) {
        return _standings[clinician];
    }

    /// @inheritdoc IEmergencyAccess
    function getBar(address patient) external view returns (bool barred, uint32 count) {
        Bar memory bar = _bars[patient];

        return (bar.barred, bar.count);
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    /// @inheritdoc AccessToken
    function _isHolder(address account, uint256 id) internal view override returns (bool) {
        EpisodeId episodeId = EpisodeId.wrap(id);

        return account == _clinicianOf(episodeId) && _isInForce(episodeId, _episodes[episodeId]);
    }

    /// @dev The one place that says when an episode is in force.
    function _isInForce(EpisodeId id, Episode memory episode) private view returns (bool) {
        return
            block.timestamp < episode.endsAt &&
            _accreditation.isAccredited(_clinicianOf(id), IAccreditation.Kind.Clinician);
    }

    function _requireControl(address patient, address actor) private view {
        if (actor != _controllerOf(patient)) revert EmergencyAccessNotAllowed(actor);
    }

    function _controllerOf(address patient) private view returns (address controller) {
        (controller, ) = _authority.controllerOf(patient);
    }

    function _existing(EpisodeId id) private view returns (Episode memory episode) {
        episode = _episodes[id];

        if (episode.openedAt == 0) revert EmergencyAccessEpisodeUnknown(id);
    }

    function _idOf(address clinician, uint32 number) private pure returns (EpisodeId) {
        return EpisodeId.wrap((uint256(uint160(clinician)) << NUMBER_BITS) | number);
    }

    function _clinicianOf(EpisodeId id) private pure returns (address) {
        return address(uint160(EpisodeId.unwrap(id) >> NUMBER_BITS));
    }

    function _domainName() internal pure override returns (string memory) {
        return "medshare EmergencyAccess";
    }
}
