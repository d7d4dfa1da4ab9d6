// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What a consortium governs
/// @notice A contract that takes some of its parameters and decisions from the votes of one consortium.
interface IGoverned {
    /// @notice The consortium whose votes count here.
    /// @custom:privacy Nothing new: reads what is public.
    function consortium() external view returns (address);
}
