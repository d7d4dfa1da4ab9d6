// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who is what
/// @notice Says whether an actor is accredited in a capacity now.
interface IAccreditation {
    /// @notice The capacities in which an actor can be accredited.
    /// @param Custodian may register records of others
    /// @param Clinician may break the glass
    /// @param Researcher may open requests and studies
    /// @param EthicsCommittee may approve studies on open call
    /// @param Assessor may attest the quality of records
    /// @param Reviewer may review emergencies
    enum Kind {
        None,
        Custodian,
        Clinician,
        Researcher,
        EthicsCommittee,
        Assessor,
        Reviewer
    }

    /// @notice Whether `actor` is accredited as `kind` now.
    /// @dev The one place that says so: not expired, not suspended, and by a member that has its seat now.
    /// @custom:privacy Nothing new: reads what is public.
    function isAccredited(address actor, Kind kind) external view returns (bool);
}
