// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Signed} from "./Signed.sol";
import {IAccreditation} from "./interfaces/IAccreditation.sol";
import {IRecordRegistry} from "./interfaces/IRecordRegistry.sol";
import {RecordId} from "./types/Ids.sol";

/// @title RecordRegistry
/// @notice Which records exist, by whose word, and in which version.
/// @dev Immutable, without owner: only a custodian writes under his own address, and only an accredited one about others.
contract RecordRegistry is Signed, IRecordRegistry {
    uint16 private constant FIRST_VERSION = 1;

    bytes32 private constant REGISTER =
        keccak256("Register(address custodian,bytes32 recordId,address patient,uint32 deadline)");
    bytes32 private constant SUPERSEDE =
        keccak256("Supersede(address custodian,bytes32 recordId,bytes32 previousId,uint32 deadline)");
    bytes32 private constant RETRACT =
        keccak256("Retract(address custodian,bytes32 recordId,bytes32 reason,uint32 deadline)");

    IAccreditation private immutable _accreditation;

    // slot 0: patient, registeredAt, endedAt, version, status
    mapping(address custodian => mapping(RecordId recordId => Record)) private _records;

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
        Record storage record = _records[custodian][recordId];

        if (custodian != patient && !_accreditation.isAccredited(custodian, IAccreditation.Kind.Custodian)) {
            revert RecordRegistryNotAccredited(custodian);
        }
        if (RecordId.unwrap(recordId) == bytes32(0)) revert RecordRegistryRecordIdIsZero();
        if (record.status != Status.Unknown) revert RecordRegistryRecordExists(custodian, recordId);

        _records[custodian][recordId] = Record({
            patient: patient,
            registeredAt: uint32(block.timestamp),
            endedAt: 0,
            version: version,
            status: Status.Active
        });
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

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    function _existing(address custodian, RecordId recordId) private view returns (Record memory record) {
        record = _records[custodian][recordId];

        if (record.status == Status.Unknown) revert RecordRegistryRecordUnknown(custodian, recordId);
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
