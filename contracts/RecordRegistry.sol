// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MerkleProof} from "@openzeppelin/contracts/utils/cryptography/MerkleProof.sol";

import {Signed} from "./Signed.sol";
import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IRecordRegistry} from "./interfaces/IRecordRegistry.sol";
import {CatalogueId, RecordId} from "./types/Ids.sol";

/// @title RecordRegistry
/// @notice Which records exist, by whose word, and in which version: one by one, or very many under one root.
/// @dev Immutable, without owner: only a custodian writes under his own address, and only an accredited one about others.
contract RecordRegistry is Signed, IRecordRegistry {
    uint16 private constant FIRST_VERSION = 1;
    uint32 private constant MAX_BATCH = 1_000_000;

    bytes32 private constant REGISTER =
        keccak256("Register(address custodian,bytes32 recordId,address patient,uint32 deadline)");
    bytes32 private constant SUPERSEDE =
        keccak256("Supersede(address custodian,bytes32 recordId,bytes32 previousId,uint32 deadline)");
    bytes32 private constant RETRACT =
        keccak256("Retract(address custodian,bytes32 recordId,bytes32 reason,uint32 deadline)");
    bytes32 private constant ANCHOR_BATCH =
        keccak256("AnchorBatch(address custodian,bytes32 root,bytes32 catalogue,uint32 records,uint32 deadline)");

    IAccreditation private immutable _accreditation;

    // slot 0: patient, registeredAt, endedAt, version, status
    mapping(address custodian => mapping(RecordId recordId => Record)) private _records;

    // slot 0: anchoredAt, count
    mapping(address custodian => mapping(bytes32 root => Batch)) private _batches;

    /// @param accreditation who says who is a custodian
    constructor(IAccreditation accreditation) {
        _accreditation = accreditation;
    }

    // ---------------------------------------------------------------------------------------- PUBLISHING A RECORD

    /// @inheritdoc IRecordRegistry
    function register(RecordId recordId, address patient) external {
        _register(msg.sender, recordId, patient);
    }

    /// @inheritdoc IRecordRegistry
    function registerSigned(
        address custodian,
        RecordId recordId,
        address patient,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(REGISTER, custodian, recordId, patient, deadline));
        _requireSignature(custodian, hash, deadline, signature);

        _register(custodian, recordId, patient);
    }

    function _register(address custodian, RecordId recordId, address patient) private {
        if (patient == address(0)) revert RecordRegistryPatientIsZero();

        _store(custodian, recordId, patient, FIRST_VERSION);

        emit RecordRegistered(custodian, patient, recordId);
    }

    /// @inheritdoc IRecordRegistry
    function supersede(RecordId recordId, RecordId previousId) external {
        _supersede(msg.sender, recordId, previousId);
    }

    /// @inheritdoc IRecordRegistry
    function supersedeSigned(
        address custodian,
        RecordId recordId,
        RecordId previousId,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(SUPERSEDE, custodian, recordId, previousId, deadline));
        _requireSignature(custodian, hash, deadline, signature);

        _supersede(custodian, recordId, previousId);
    }

    function _supersede(address custodian, RecordId recordId, RecordId previousId) private {
        Record memory previous = _existing(custodian, previousId);

        if (previous.status != Status.Active) {
            revert RecordRegistryRecordNotActive(custodian, previousId, previous.status);
        }
        if (previous.version == type(uint16).max) {
            revert RecordRegistryVersionsExhausted(custodian, previousId);
        }

        _store(custodian, recordId, previous.patient, previous.version + 1);
        _end(custodian, previousId, previous, Status.Superseded);

        emit RecordSuperseded(custodian, previous.patient, recordId, previousId);
    }

    function _store(address custodian, RecordId recordId, address patient, uint16 version) private {
        if (custodian != patient && !_accreditation.isAccredited(custodian, IAccreditation.Kind.Custodian)) {
            revert RecordRegistryNotAccredited(custodian);
        }

        _enter(custodian, recordId, patient, uint32(block.timestamp), version);
    }

    // --------------------------------------------------------------------------------- PUBLISHING VERY MANY RECORDS

    /// @inheritdoc IRecordRegistry
    function anchorBatch(bytes32 root, CatalogueId catalogue, uint32 count) external {
        _anchorBatch(msg.sender, root, catalogue, count);
    }

    /// @inheritdoc IRecordRegistry
    function anchorBatchSigned(
        address custodian,
        bytes32 root,
        CatalogueId catalogue,
        uint32 records,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(ANCHOR_BATCH, custodian, root, catalogue, records, deadline));
        _requireSignature(custodian, hash, deadline, signature);

        _anchorBatch(custodian, root, catalogue, records);
    }

    function _anchorBatch(address custodian, bytes32 root, CatalogueId catalogue, uint32 count) private {
        if (!_accreditation.isAccredited(custodian, IAccreditation.Kind.Custodian)) {
            revert RecordRegistryNotAccredited(custodian);
        }
        if (root == bytes32(0)) revert RecordRegistryRootIsZero();
        if (count == 0 || count > MAX_BATCH) revert RecordRegistryCountOutOfRange(count);
        if (_batches[custodian][root].anchoredAt != 0) revert RecordRegistryBatchExists(custodian, root);

        _batches[custodian][root] = Batch({anchoredAt: uint32(block.timestamp), count: count});

        emit BatchAnchored(custodian, root, catalogue, count);
    }

    /// @inheritdoc IRecordRegistry
    function registerFromBatch(
        address custodian,
        bytes32 root,
        RecordId recordId,
        address patient,
        bytes32 salt,
        bytes32[] calldata proof
    ) external {
        // No accreditation is asked: the custodian's word is in the root, and had to be his when he anchored it.
        uint32 anchoredAt = _requireIncluded(custodian, root, recordId, patient, salt, proof);

        if (patient == address(0)) revert RecordRegistryPatientIsZero();

        _enter(custodian, recordId, patient, anchoredAt, FIRST_VERSION);

        emit RecordRegistered(custodian, patient, recordId);
        emit RegisteredFromBatch(custodian, patient, recordId, root, anchoredAt);
    }

    /// @dev Since when the record is stated by its batch.
    function _requireIncluded(
        address custodian,
        bytes32 root,
        RecordId recordId,
        address patient,
        bytes32 salt,
        bytes32[] calldata proof
    ) private view returns (uint32 anchoredAt) {
        anchoredAt = _existingBatch(custodian, root).anchoredAt;
        // Hashed twice: a leaf is never as long as two nodes, and cannot stand for them.
        bytes32 leaf = keccak256(bytes.concat(keccak256(abi.encode(recordId, patient, salt))));

        if (!MerkleProof.verifyCalldata(proof, root, leaf)) revert RecordRegistryNotInBatch(custodian, root, recordId);
    }

    // --------------------------------------------------------------------------------------- WITHDRAWING A RECORD

    /// @inheritdoc IRecordRegistry
    function retract(RecordId recordId, bytes32 reason) external {
        _retract(msg.sender, recordId, reason);
    }

    /// @inheritdoc IRecordRegistry
    function retractSigned(
        address custodian,
        RecordId recordId,
        bytes32 reason,
        uint32 deadline,
        bytes calldata signature
    ) external {
        bytes32 hash = keccak256(abi.encode(RETRACT, custodian, recordId, reason, deadline));
        _requireSignature(custodian, hash, deadline, signature);

        _retract(custodian, recordId, reason);
    }

    function _retract(address custodian, RecordId recordId, bytes32 reason) private {
        Record memory record = _existing(custodian, recordId);

        if (record.status == Status.Retracted) {
            revert RecordRegistryRecordNotActive(custodian, recordId, record.status);
        }

        _end(custodian, recordId, record, Status.Retracted);

        emit RecordRetracted(custodian, recordId, reason);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IRecordRegistry
    function getRecord(address custodian, RecordId recordId) external view returns (Record memory) {
        return _existing(custodian, recordId);
    }

    /// @inheritdoc IRecordRegistry
    function getBatch(address custodian, bytes32 root) external view returns (Batch memory) {
        return _existingBatch(custodian, root);
    }

    /// @inheritdoc IRecordRegistry
    function proveInclusion(
        address custodian,
        bytes32 root,
        RecordId recordId,
        address patient,
        bytes32 salt,
        bytes32[] calldata proof
    ) external view returns (Record memory) {
        uint32 anchoredAt = _requireIncluded(custodian, root, recordId, patient, salt, proof);

        return Record({
            patient: patient,
            registeredAt: anchoredAt,
            endedAt: 0,
            version: FIRST_VERSION,
            status: Status.Active
        });
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _existing(address custodian, RecordId recordId) private view returns (Record memory record) {
        record = _records[custodian][recordId];

        if (record.status == Status.Unknown) revert RecordRegistryRecordUnknown(custodian, recordId);
    }

    function _existingBatch(address custodian, bytes32 root) private view returns (Batch memory found) {
        found = _batches[custodian][root];

        if (found.anchoredAt == 0) revert RecordRegistryBatchUnknown(custodian, root);
    }

    function _enter(
        address custodian,
        RecordId recordId,
        address patient,
        uint32 registeredAt,
        uint16 version
    ) private {
        Record storage record = _records[custodian][recordId];

        if (RecordId.unwrap(recordId) == bytes32(0)) revert RecordRegistryRecordIdIsZero();
        if (record.status != Status.Unknown) revert RecordRegistryRecordExists(custodian, recordId);

        _records[custodian][recordId] = Record({
            patient: patient,
            registeredAt: registeredAt,
            endedAt: 0,
            version: version,
            status: Status.Active
        });
    }

    /// @dev The first end stays: a superseded record that is retracted later ended when it was superseded.
    function _end(address custodian, RecordId recordId, Record memory record, Status status) private {
        if (record.endedAt == 0) record.endedAt = uint32(block.timestamp);
        record.status = status;

        _records[custodian][recordId] = record;
    }

    function _domainName() internal pure override returns (string memory) {
        return "medshare RecordRegistry";
    }
}
