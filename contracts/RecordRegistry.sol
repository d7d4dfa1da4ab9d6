// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRecordRegistry} from "./interfaces/IRecordRegistry.sol";
import {RecordId} from "./types/Ids.sol";

/// @title RecordRegistry
/// @notice Which records exist, by whose word, and in which version.
/// @dev Immutable, without owner: only a custodian writes under his own address.
contract RecordRegistry is IRecordRegistry {
    uint16 private constant FIRST_VERSION = 1;

    // slot 0: patient, registeredAt, endedAt, version, status
    mapping(address custodian => mapping(RecordId recordId => Record)) private _records;

    // ---------------------------------------------------------------------------------------- PUBLISHING A RECORD

    /// @inheritdoc IRecordRegistry
    function register(RecordId recordId, address patient) external {
        if (patient == address(0)) revert RecordRegistryPatientIsZero();

        _store(recordId, patient, FIRST_VERSION);

        emit RecordRegistered(msg.sender, patient, recordId);
    }

    /// @inheritdoc IRecordRegistry
    function supersede(RecordId recordId, RecordId previousId) external {
        Record memory previous = _existing(msg.sender, previousId);

        if (previous.status != Status.Active) {
            revert RecordRegistryRecordNotActive(msg.sender, previousId, previous.status);
        }
        if (previous.version == type(uint16).max) {
            revert RecordRegistryVersionsExhausted(msg.sender, previousId);
        }

        _store(recordId, previous.patient, previous.version + 1);
        _end(previousId, previous, Status.Superseded);

        emit RecordSuperseded(msg.sender, previous.patient, recordId, previousId);
    }

    function _store(RecordId recordId, address patient, uint16 version) private {
        Record storage record = _records[msg.sender][recordId];

        if (RecordId.unwrap(recordId) == bytes32(0)) revert RecordRegistryRecordIdIsZero();
        if (record.status != Status.Unknown) revert RecordRegistryRecordExists(msg.sender, recordId);

        _records[msg.sender][recordId] = Record({
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
        Record memory record = _existing(msg.sender, recordId);

        if (record.status == Status.Retracted) {
            revert RecordRegistryRecordNotActive(msg.sender, recordId, record.status);
        }

        _end(recordId, record, Status.Retracted);

        emit RecordRetracted(msg.sender, recordId, reason);
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
    function _end(RecordId recordId, Record memory record, Status status) private {
        if (record.endedAt == 0) record.endedAt = uint32(block.timestamp);
        record.status = status;

        _records[msg.sender][recordId] = record;
    }
}
