// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IAttestations} from "./interfaces/IAttestations.sol";
import {RecordId} from "./types/Ids.sol";

/// @title Attestations
/// @notice What assessors vouch for of records, and custodians of the read receipts that they keep.
/// @dev Immutable, without owner: everybody writes under his own address only.
contract Attestations is IAttestations {
    uint8 private constant BEST_SCORE = 100;

    IAccreditation private immutable _accreditation;

    // slot 0: attestedAt, withdrawnAt, count, method, score
    mapping(address assessor => mapping(bytes32 subject => Attestation)) private _attestations;

    // slot 0: anchoredAt, count
    mapping(address custodian => mapping(bytes32 root => Anchor)) private _anchors;

    /// @param accreditation who says who is an assessor or a custodian
    constructor(IAccreditation accreditation) {
        _accreditation = accreditation;
    }

    // ------------------------------------------------------------------------------------------ ATTESTING QUALITY

    /// @inheritdoc IAttestations
    function attest(RecordId recordId, uint16 method, uint8 score) external {
        bytes32 subject = RecordId.unwrap(recordId);

        _requireAccredited(IAccreditation.Kind.Assessor);
        _requireMethod(subject, method);
        if (score > BEST_SCORE) revert AttestationsScoreOutOfRange(score);
        // A root stays one: what a batch says of many is not overwritten by a word on one.
        if (_attestations[msg.sender][subject].count != 0) revert AttestationsRootKnown(msg.sender, subject);

        _attestations[msg.sender][subject] = Attestation({
            attestedAt: uint32(block.timestamp),
            withdrawnAt: 0,
            count: 0,
            method: method,
            score: score
        });

        emit QualityAttested(msg.sender, recordId, method, score);
    }

    /// @inheritdoc IAttestations
    function attestBatch(bytes32 root, uint16 method, uint32 count) external {
        _requireAccredited(IAccreditation.Kind.Assessor);
        _requireMethod(root, method);
        if (count == 0) revert AttestationsCountIsZero();
        if (_attestations[msg.sender][root].attestedAt != 0) revert AttestationsRootKnown(msg.sender, root);

        _attestations[msg.sender][root] = Attestation({
            attestedAt: uint32(block.timestamp),
            withdrawnAt: 0,
            count: count,
            method: method,
            score: 0
        });

        emit BatchAttested(msg.sender, root, method, count);
    }

    function _requireMethod(bytes32 subject, uint16 method) private pure {
        if (subject == bytes32(0)) revert AttestationsSubjectIsZero();
        if (method == 0) revert AttestationsMethodMissing();
    }

    /// @inheritdoc IAttestations
    function withdraw(bytes32 subject) external {
        Attestation memory attestation = _existing(msg.sender, subject);

        if (attestation.withdrawnAt != 0) revert AttestationsWithdrawn(msg.sender, subject);

        attestation.withdrawnAt = uint32(block.timestamp);
        _attestations[msg.sender][subject] = attestation;

        emit AttestationWithdrawn(msg.sender, subject);
    }

    // ------------------------------------------------------------------------------------------ ANCHORING RECEIPTS

    /// @inheritdoc IAttestations
    function anchorReceipts(bytes32 root, uint32 count) external {
        _requireAccredited(IAccreditation.Kind.Custodian);
        if (root == bytes32(0)) revert AttestationsSubjectIsZero();
        if (count == 0) revert AttestationsCountIsZero();
        if (_anchors[msg.sender][root].anchoredAt != 0) revert AttestationsRootKnown(msg.sender, root);

        _anchors[msg.sender][root] = Anchor({anchoredAt: uint32(block.timestamp), count: count});

        emit ReceiptsAnchored(msg.sender, root, count);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IAttestations
    function getAttestation(address assessor, bytes32 subject) external view returns (Attestation memory) {
        return _existing(assessor, subject);
    }

    /// @inheritdoc IAttestations
    function getAnchor(address custodian, bytes32 root) external view returns (Anchor memory) {
        return _anchors[custodian][root];
    }

    /// @inheritdoc IAttestations
    function isAttested(
        address assessor,
        bytes32 root,
        RecordId recordId,
        uint8 score,
        bytes32 salt,
        bytes32[] calldata proof
    ) external view returns (bool) {
        Attestation memory batch = _attestations[assessor][root];
        // Hashed twice: a leaf is never as long as two nodes, and cannot stand for them.
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(recordId, score, salt))));

        return batch.count != 0 && batch.withdrawnAt == 0 && MerkleProof.verifyCalldata(proof, root, leaf);
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _requireAccredited(IAccreditation.Kind kind) private view {
        if (!_accreditation.isAccredited(msg.sender, kind)) revert AttestationsNotAccredited(msg.sender);
    }

    function _existing(address assessor, bytes32 subject) private view returns (Attestation memory attestation) {
        attestation = _attestations[assessor][subject];

        if (attestation.attestedAt == 0) revert AttestationsUnknown(assessor, subject);
    }
}
