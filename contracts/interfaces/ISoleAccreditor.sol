// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccreditation} from "./IAccreditation.sol";

/// @title Accreditation by one institution
/// @notice One accreditor, named at deployment, says who is a clinician and who reviews emergencies.
/// @dev Warning: everything rests on one key. It stands in until institutions accredit together, by vote.
interface ISoleAccreditor is IAccreditation {
    /// @notice An actor was accredited until `validUntil`, or suspended (0).
    /// @param validUntil first second in which he no longer is, Unix time
    /// @custom:privacy Makes public that this pseudonym works as a clinician or reviewer.
    event Accredited(address indexed actor, Kind indexed kind, uint40 validUntil);

    /// @notice Only the accreditor accredits.
    /// @custom:privacy Nothing: says what the caller asked.
    error SoleAccreditorNotAllowed(address caller);

    /// @notice Nobody can be accredited as nothing, and the zero address as nothing at all.
    /// @custom:privacy Nothing: says what the caller asked.
    error SoleAccreditorInvalid(address actor, Kind kind);

    /// @notice Accredit an actor as `kind` until `validUntil`, or suspend him with 0; from this block on.
    /// @param validUntil first second in which he no longer is accredited, Unix time; a past time ends it at once
    /// @custom:privacy Makes public that this pseudonym works as a clinician or reviewer.
    function accredit(address actor, Kind kind, uint40 validUntil) external;

    /// @notice Who accredits.
    /// @custom:privacy Nothing new: reads what is public.
    function accreditor() external view returns (address);

    /// @notice Until when an actor is accredited as `kind`, 0 for never.
    /// @custom:privacy Nothing new: reads what is public.
    function validUntil(address actor, Kind kind) external view returns (uint40);
}
