// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";

/// @title Verbs that are signed by one and sent by anybody, and many in one transaction
/// @notice An actor signs what he wants as EIP-712 typed data; whoever has the signature may send it and pays for it.
/// @dev A signature works for one chain, one contract and one meaning, before its deadline, and once: each signed
/// struct names a count that its effect uses up. Contract wallets sign by ERC-1271.
interface ISigned is IERC5267 {
    /// @notice One call of a batch was refused; the others are not touched by it.
    /// @param index the call's place in the batch, from 0
    /// @param reason the error, as the call alone would have reverted with
    /// @custom:privacy What the error makes public.
    event CallRefused(uint256 indexed index, bytes reason);

    /// @notice The signature came too late.
    /// @custom:privacy Nothing: says what the caller sent.
    error SignedDeadlinePassed(uint32 deadline);

    /// @notice The signature is not this signer's for this meaning, chain, contract and state.
    /// @custom:privacy Nothing: says what the caller sent.
    error SignedSignatureInvalid(address signer);

    /// @notice What was signed counts from a state that has passed: it was used, or something came in between.
    /// @param signed the count, or counts, that were signed
    /// @param current as they stand
    /// @custom:privacy Nothing: the counts are public.
    error SignedOutdated(uint256 signed, uint256 current);

    /// @notice Make many calls of this contract in one transaction, as the caller; one that is refused is reported and
    /// does not sink the rest.
    /// @dev Whoever sends signed verbs of many patients puts them together here. A call that fails without saying why
    /// (out of gas, no such verb) reverts the whole: an estimate of gas would otherwise find it cheap to let it fail.
    /// @param calls calldata of each call, selector included
    /// @return done which of them were done
    /// @custom:privacy What each call makes public, and that one sender sent them together.
    function batch(bytes[] calldata calls) external returns (bool[] memory done);
}
