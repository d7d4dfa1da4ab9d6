// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Who is what
/// @notice Says whether an actor is accredited as a clinician or a reviewer now.
interface IAccreditation {
    enum Kind {
        None,
        Clinician,
        Reviewer
    }

    /// @notice Whether `actor` is accredited as `kind` now.
    /// @custom:privacy Nothing new: reads what is public.
    function isAccredited(address actor, Kind kind) external view returns (bool);
}
