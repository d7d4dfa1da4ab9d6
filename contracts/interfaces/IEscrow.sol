// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IGoverned} from "./IGoverned.sol";
import {ISigned} from "./ISigned.sol";

/// @title Money that is held, divided and withdrawn
/// @notice Rewards wait here until they are earned or go back; whoever has a credit withdraws it himself.
/// @dev Pull payments: a recipient that fails, or a token that misbehaves, is nobody else's concern. The zero address
/// stands for the native coin. Shares are in ten thousandths; the patient's gets what dividing leaves over.
interface IEscrow is IGoverned, ISigned {
    /// @notice How a reward is divided; the rest is the consortium's.
    /// @param patient ten thousandths for the patient
    /// @param custodian ten thousandths for the custodian
    /// @param isSet whether this category was ever given a split
    struct Split {
        uint16 patient;
        uint16 custodian;
        bool isSet;
    }

    /// @notice An account may withdraw more now.
    /// @custom:privacy Makes public what this pseudonym earned or got back, and when.
    event Credited(address indexed account, address indexed token, uint256 amount);

    /// @notice An account withdrew all its credit in one token.
    /// @custom:privacy Makes public where the money went: use an address of its own, or it links what it pays.
    event Withdrawn(address indexed account, address indexed token, address to, uint256 amount, uint32 count);

    /// @notice A token may be used for rewards from now on, or no longer in new requests.
    /// @custom:privacy Makes public what was decided.
    event TokenAllowed(address indexed token, bool allowed);

    /// @notice Rewards of this category are divided in this way from now on, in requests opened after this.
    /// @custom:privacy Makes public what was decided.
    event SplitSet(uint8 indexed category, uint16 patient, uint16 custodian);

    /// @notice Only a vote of the consortium can do this.
    /// @custom:privacy Nothing: says what the caller asked.
    error EscrowNotByVote(address caller);

    /// @notice Rewards cannot be paid in this token: the consortium has not allowed it.
    /// @custom:privacy Nothing: says what the caller asked.
    error EscrowTokenNotAllowed(address token);

    /// @notice What arrived is not what was promised: wrong value sent, or a token that takes a fee.
    /// @custom:privacy Nothing: amounts are public.
    error EscrowAmountMismatch(uint256 promised, uint256 arrived);

    /// @notice There is nothing to withdraw.
    /// @custom:privacy Nothing: credits are public.
    error EscrowNothingToWithdraw(address account, address token);

    /// @notice This address may not withdraw for this account.
    /// @custom:privacy Nothing: says what the caller asked.
    error EscrowNotAllowed(address account, address caller);

    /// @notice Nothing can be sent to the zero address, nor left here.
    /// @custom:privacy Nothing: says what the caller asked.
    error EscrowRecipientInvalid(address to);

    /// @notice Shares add up to more than the whole, or the category is 0.
    /// @custom:privacy Nothing: says what was proposed.
    error EscrowSplitInvalid(uint8 category, uint16 patient, uint16 custodian);

    /// @notice Withdraw all of an account's credit in one token, as the one in control of it.
    /// @param account whose credit
    /// @param token the token, 0 for the native coin
    /// @param to where it goes
    /// @custom:privacy Makes public where the money went.
    function withdraw(address account, address token, address to) external;

    /// @notice As withdraw, by signature: who earned it needs no coins to get it.
    /// @dev The signed struct is `Withdraw(address account,address token,address to,uint32 count,uint32 deadline)`: how
    /// often the account has withdrawn before.
    /// @param signer the one in control of the account
    /// @custom:privacy As withdraw.
    function withdrawSigned(
        address account,
        address token,
        address to,
        uint32 count,
        address signer,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice Allow a token for rewards, or allow it no longer. By vote.
    /// @custom:privacy Makes public what was decided.
    function setTokenAllowed(address token, bool allowed) external;

    /// @notice Set how rewards of a category are divided, for requests that open from now on. By vote.
    /// @custom:privacy Makes public what was decided.
    function setSplit(uint8 category, uint16 patient, uint16 custodian) external;

    /// @notice What an account can withdraw.
    /// @custom:privacy Nothing new: reads what is public.
    function creditOf(address account, address token) external view returns (uint256);

    /// @notice How often an account has withdrawn: what it signs next names this count.
    /// @custom:privacy Nothing new: reads what is public.
    function withdrawalsOf(address account) external view returns (uint32);

    /// @notice Whether new requests may pay in this token; the native coin always may.
    /// @custom:privacy Nothing new: reads what is public.
    function isTokenAllowed(address token) external view returns (bool);

    /// @notice How rewards of a category are divided now.
    /// @custom:privacy Nothing new: reads what is public.
    function getSplit(uint8 category) external view returns (Split memory);
}
