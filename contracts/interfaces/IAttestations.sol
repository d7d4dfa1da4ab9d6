// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RecordId} from "../types/Ids.sol";

/// @title What others vouch for
/// @notice An accredited assessor attests the quality of a record, or of many under one root; an accredited custodian
/// anchors the root of the read receipts that he keeps. Nothing is said about the content.
/// @dev An attestation is the word of one assessor and lies under (assessor, subject). The contract does not ask
/// whether the record is registered: clients look at attestations of records that are. All times are Unix seconds.
interface IAttestations {
    /// @notice An attestation, in one slot.
    /// @param attestedAt block time
    /// @param withdrawnAt block time of its withdrawal, 0 while it stands
    /// @param count how many records a batch holds, 0 for a single record
    /// @param method by which method it was assessed, from 1; what each is, is published off chain
    /// @param score 0 to 100, of a single record
    struct Attestation {
        uint32 attestedAt;
        uint32 withdrawnAt;
        uint32 count;
        uint16 method;
        uint8 score;
    }

    /// @notice The root of a custodian's read receipts, in one slot.
    /// @param anchoredAt block time, 0 where it was never anchored
    /// @param count how many receipts are under it
    struct Anchor {
        uint32 anchoredAt;
        uint32 count;
    }

    /// @notice An assessor attested the quality of a record.
    /// @custom:privacy Makes public that this assessor has seen this record, when, and how good it is in form; nothing else.
    event QualityAttested(address indexed assessor, RecordId indexed recordId, uint16 method, uint8 score);

    /// @notice An assessor attested the quality of many records under one root.
    /// @custom:privacy Makes public how many, and when; which, and how good, only to whom somebody shows salt and proof.
    event BatchAttested(address indexed assessor, bytes32 indexed root, uint16 method, uint32 count);

    /// @notice An assessor withdrew what he had attested.
    /// @custom:privacy Makes public that he did, and when.
    event AttestationWithdrawn(address indexed assessor, bytes32 indexed subject);

    /// @notice A custodian anchored the root of read receipts.
    /// @custom:privacy Makes public how many receipts a custodian has put under a root, and when; nothing of any of them.
    event ReceiptsAnchored(address indexed custodian, bytes32 indexed root, uint32 count);

    /// @notice Only an accredited assessor attests, and only an accredited custodian anchors.
    /// @custom:privacy Nothing: accreditation is public.
    error AttestationsNotAccredited(address actor);

    /// @notice A record id or a root of zeros was refused.
    /// @custom:privacy Nothing.
    error AttestationsSubjectIsZero();

    /// @notice A method is numbered from 1.
    /// @custom:privacy Nothing.
    error AttestationsMethodMissing();

    /// @notice A score lies between 0 and 100.
    /// @custom:privacy Nothing.
    error AttestationsScoreOutOfRange(uint8 score);

    /// @notice Something is under a root.
    /// @custom:privacy Nothing.
    error AttestationsCountIsZero();

    /// @notice This one has said this of this root already.
    /// @custom:privacy Nothing: what was said is public.
    error AttestationsRootKnown(address actor, bytes32 root);

    /// @notice The assessor has attested no such record or root.
    /// @custom:privacy Nothing: says only what the caller asked.
    error AttestationsUnknown(address assessor, bytes32 subject);

    /// @notice It was withdrawn before.
    /// @custom:privacy Nothing: the withdrawal is public.
    error AttestationsWithdrawn(address assessor, bytes32 subject);

    /// @notice Attest the quality of a record, or attest it anew; for an accredited assessor.
    /// @param method by which method, from 1
    /// @param score 0 to 100
    /// @custom:privacy As QualityAttested.
    function attest(RecordId recordId, uint16 method, uint8 score) external;

    /// @notice Attest the quality of many records at once; for an accredited assessor. A root is attested once.
    /// @dev A leaf is keccak256(bytes.concat(keccak256(abi.encode(recordId, score, salt)))); pairs are sorted.
    /// @param root of the Merkle tree of records, scores and salts
    /// @param method by which method, from 1
    /// @param count how many records are in it
    /// @custom:privacy As BatchAttested.
    function attestBatch(bytes32 root, uint16 method, uint32 count) external;

    /// @notice Withdraw what you have attested, of a record or of a root, accredited still or not.
    /// @param subject the record id or the root
    /// @custom:privacy As AttestationWithdrawn.
    function withdraw(bytes32 subject) external;

    /// @notice Anchor the root of the read receipts that you keep; for an accredited custodian. A root is anchored once.
    /// @param count how many receipts are under it
    /// @custom:privacy As ReceiptsAnchored.
    function anchorReceipts(bytes32 root, uint32 count) external;

    /// @notice What an assessor has attested of a record or of a root. Reverts where he has not.
    /// @custom:privacy Nothing new: reads what is public.
    function getAttestation(address assessor, bytes32 subject) external view returns (Attestation memory);

    /// @notice When a custodian anchored a root, and how many receipts are under it.
    /// @custom:privacy Nothing new: reads what is public.
    function getAnchor(address custodian, bytes32 root) external view returns (Anchor memory);

    /// @notice Whether a batch that stands holds a record with this score.
    /// @param salt 32 bytes that the assessor drew for this record
    /// @param proof siblings from its leaf up to the root
    /// @custom:privacy Makes public, to who sees the call, the record's score; ask a node of your own.
    function isAttested(
        address assessor,
        bytes32 root,
        RecordId recordId,
        uint8 score,
        bytes32 salt,
        bytes32[] calldata proof
    ) external view returns (bool);
}
