// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CatalogueId, RecordId} from "../types/Ids.sol";
import {ISigned} from "./ISigned.sol";

/// @title Which records exist
/// @notice A custodian states: this record of this patient exists; this version took its place; this one is withdrawn.
/// @dev An entry is the statement of one custodian and lies under (custodian, record id). So nobody can take a record
/// id before its custodian does, and an entry says nothing in anybody else's name. A record id is the digest of
/// encrypted bytes: it says nothing about the text, and leads to the CID and back without a table.
/// Very many records are stated at once by the root of a Merkle tree. Whoever holds the proof of one of them can give it
/// an entry of its own; until then it stands as stated, from the time at which its batch was anchored.
interface IRecordRegistry is ISigned {
    enum Status {
        Unknown,
        Active,
        Superseded,
        Retracted
    }

    /// @notice What a custodian states about a record.
    /// @param patient whom the record is about
    /// @param registeredAt block time, Unix seconds
    /// @param endedAt block time of superseding or first retraction, 0 while active
    /// @param version 1 for a first version, one more than the version it supersedes
    /// @param status Active, Superseded or Retracted
    struct Record {
        address patient;
        uint32 registeredAt;
        uint32 endedAt;
        uint16 version;
        Status status;
    }

    /// @notice Very many records under one root, in one slot.
    /// @param anchoredAt block time, Unix seconds
    /// @param count how many the custodian says they are, 1 to 1,000,000
    struct Batch {
        uint32 anchoredAt;
        uint32 count;
    }

    /// @notice A custodian registered the first version of a record.
    /// @custom:privacy Makes public that custodian and patient, two pseudonymous addresses, are related, and when.
    event RecordRegistered(address indexed custodian, address indexed patient, RecordId indexed recordId);

    /// @notice A custodian put a new version in the place of a record.
    /// @custom:privacy As registering, and that the two records are versions of one.
    event RecordSuperseded(
        address indexed custodian,
        address indexed patient,
        RecordId indexed recordId,
        RecordId previousId
    );

    /// @notice A custodian withdrew a record: it should not be relied on any more.
    /// @param reason salted digest of the reason, the text is off chain
    /// @custom:privacy Makes public that the record was withdrawn, and when; the reason only to who has its text and salt.
    event RecordRetracted(address indexed custodian, RecordId indexed recordId, bytes32 reason);

    /// @notice A custodian stated very many records at once.
    /// @param root of the Merkle tree of records, patients and salts
    /// @param catalogue from which each patient finds his own records, and nobody else's
    /// @param count how many the custodian says they are
    /// @custom:privacy Makes public that this custodian has published so many records, and when; of whom, and which, only
    /// to whom somebody shows salt and proof.
    event BatchAnchored(address indexed custodian, bytes32 indexed root, CatalogueId catalogue, uint32 count);

    /// @notice A record of a batch got an entry of its own; RecordRegistered stands right before.
    /// @param root of the batch
    /// @param anchoredAt since when the custodian states it: the entry's registeredAt
    /// @custom:privacy As registering, and that the record is of this batch.
    event RegisteredFromBatch(
        address indexed custodian,
        address indexed patient,
        RecordId indexed recordId,
        bytes32 root,
        uint32 anchoredAt
    );

    /// @notice Only an accredited custodian states records of others, or anchors batches; everybody states his own.
    /// @custom:privacy Nothing: accreditations are public.
    error RecordRegistryNotAccredited(address custodian);

    /// @notice The custodian has registered no such record.
    /// @custom:privacy Nothing: says only what the caller asked.
    error RecordRegistryRecordUnknown(address custodian, RecordId recordId);

    /// @notice The custodian has registered this record already.
    /// @custom:privacy Nothing: the entry is public.
    error RecordRegistryRecordExists(address custodian, RecordId recordId);

    /// @notice The record was superseded or retracted before.
    /// @custom:privacy Nothing: the entry is public.
    error RecordRegistryRecordNotActive(address custodian, RecordId recordId, Status status);

    /// @notice A record id of zeros was refused.
    /// @custom:privacy Nothing.
    error RecordRegistryRecordIdIsZero();

    /// @notice A record needs a patient.
    /// @custom:privacy Nothing.
    error RecordRegistryPatientIsZero();

    /// @notice The record has 65,535 versions, more cannot be counted.
    /// @custom:privacy Nothing: the entry is public.
    error RecordRegistryVersionsExhausted(address custodian, RecordId recordId);

    /// @notice A root of zeros was refused.
    /// @custom:privacy Nothing.
    error RecordRegistryRootIsZero();

    /// @notice A batch holds 1 to 1,000,000 records.
    /// @custom:privacy Nothing: says only what the caller sent.
    error RecordRegistryCountOutOfRange(uint32 count);

    /// @notice The custodian has anchored this root already.
    /// @custom:privacy Nothing: the batch is public.
    error RecordRegistryBatchExists(address custodian, bytes32 root);

    /// @notice The custodian has anchored no such root.
    /// @custom:privacy Nothing: says only what the caller asked.
    error RecordRegistryBatchUnknown(address custodian, bytes32 root);

    /// @notice Proof, salt or patient do not lead from this record to the root.
    /// @custom:privacy Nothing: says only what the caller sent.
    error RecordRegistryNotInBatch(address custodian, bytes32 root, RecordId recordId);

    /// @notice State that a record of `patient` exists, as its custodian.
    /// @dev Warning: anybody may state this of anybody. Readers ask which custodians they trust.
    /// @param recordId digest of the CID of the encrypted record
    /// @param patient whom the record is about: the pseudonym for this relationship
    /// @custom:privacy Makes public that the caller holds something of this pseudonym, and when; never what.
    function register(RecordId recordId, address patient) external;

    /// @notice As register, by the custodian's signature: a patient who has no coins registers what he keeps himself.
    /// @dev The signed struct is `Register(address custodian,bytes32 recordId,address patient,uint32 deadline)`. It works
    /// once, since an entry is made once.
    /// @param custodian who signed, and under whom the entry lies
    /// @custom:privacy As register.
    function registerSigned(
        address custodian,
        RecordId recordId,
        address patient,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice Put a new version in the place of your active record.
    /// @dev The patient stays the same. Two new versions of one record cannot both pass.
    /// @param recordId the new version
    /// @param previousId the caller's active record
    /// @custom:privacy As registering, and that the two records are versions of one.
    function supersede(RecordId recordId, RecordId previousId) external;

    /// @notice As supersede, by the custodian's signature.
    /// @dev The signed struct is `Supersede(address custodian,bytes32 recordId,bytes32 previousId,uint32 deadline)`.
    /// @custom:privacy As supersede.
    function supersedeSigned(
        address custodian,
        RecordId recordId,
        RecordId previousId,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice State that very many records exist, by the root of a Merkle tree; for an accredited custodian. A root is
    /// anchored once.
    /// @dev A leaf is keccak256(bytes.concat(keccak256(abi.encode(recordId, patient, salt)))); pairs are sorted, and the
    /// tree may have any shape. Warning: the contract cannot count the leaves.
    /// @param catalogue digest of the CID of the batch's catalogue on the store
    /// @param count how many records are under the root
    /// @custom:privacy As BatchAnchored.
    function anchorBatch(bytes32 root, CatalogueId catalogue, uint32 count) external;

    /// @notice As anchorBatch, by the custodian's signature.
    /// @dev The signed struct is
    /// `AnchorBatch(address custodian,bytes32 root,bytes32 catalogue,uint32 records,uint32 deadline)`. It works once, since
    /// a root is anchored once.
    /// @param custodian who signed, and whose batch it is
    /// @param records how many are under the root
    /// @custom:privacy As BatchAnchored.
    function anchorBatchSigned(
        address custodian,
        bytes32 root,
        CatalogueId catalogue,
        uint32 records,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice Give a record of a batch an entry of its own; anybody who holds salt and proof may.
    /// @dev The word is the custodian's, who may have lost his accreditation since, and counts from the time at which the
    /// batch was anchored. From then on it is a record as any other. One that has an entry already, of whatever patient
    /// and status, keeps it.
    /// @param salt 32 bytes that the custodian derived for this record
    /// @param proof siblings from its leaf up to the root
    /// @custom:privacy As registering, and that the record is of this batch; salt and proof are public from then on.
    function registerFromBatch(
        address custodian,
        bytes32 root,
        RecordId recordId,
        address patient,
        bytes32 salt,
        bytes32[] calldata proof
    ) external;

    /// @notice Withdraw your record, active or superseded. A second withdrawal is refused.
    /// @param reason salted digest of the reason
    /// @custom:privacy Makes public that the record was withdrawn, and when.
    function retract(RecordId recordId, bytes32 reason) external;

    /// @notice As retract, by the custodian's signature.
    /// @dev The signed struct is `Retract(address custodian,bytes32 recordId,bytes32 reason,uint32 deadline)`.
    /// @custom:privacy As retract.
    function retractSigned(
        address custodian,
        RecordId recordId,
        bytes32 reason,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice What `custodian` states about a record. Reverts where he states nothing.
    /// @custom:privacy Nothing new: reads what is public.
    function getRecord(address custodian, RecordId recordId) external view returns (Record memory);

    /// @notice When a custodian anchored a root, and how many records he says are under it. Reverts where he has not.
    /// @custom:privacy Nothing new: reads what is public.
    function getBatch(address custodian, bytes32 root) external view returns (Batch memory);

    /// @notice What `custodian` states of a record by a batch: what registering it from there would write. Reverts where
    /// salt and proof do not show it.
    /// @dev Warning: a record that has an entry of its own may have been superseded or retracted; ask getRecord first.
    /// @param salt 32 bytes that the custodian derived for this record
    /// @param proof siblings from its leaf up to the root
    /// @custom:privacy Makes public, to who sees the call, whose record it is; ask a node of your own.
    function proveInclusion(
        address custodian,
        bytes32 root,
        RecordId recordId,
        address patient,
        bytes32 salt,
        bytes32[] calldata proof
    ) external view returns (Record memory);
}
