// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {ReentrancyGuard} from "@openzeppelin/contracts/utils/ReentrancyGuard.sol";

import {Signed} from "./Signed.sol";
import {IAuthority} from "./interfaces/IAuthority.sol";
import {IEscrow} from "./interfaces/IEscrow.sol";
import {IGoverned} from "./interfaces/IGoverned.sol";

/// @title Escrow
/// @notice Takes money in whole, credits it in parts, and lets each account withdraw its own.
/// @dev What was taken in and is credited to nobody belongs to the requests of the contract above.
abstract contract Escrow is Signed, ReentrancyGuard, IEscrow {
    using SafeERC20 for IERC20;

    uint256 internal constant WHOLE = 10_000;
    address private constant NATIVE = address(0);

    bytes32 private constant WITHDRAW =
        keccak256("Withdraw(address account,address token,address to,uint32 count,uint32 deadline)");

    /// @inheritdoc IGoverned
    address public immutable consortium;

    /// @dev Says who is in control of an account: a patient whose key was recovered keeps what he earned.
    IAuthority private immutable _authority;

    mapping(address account => mapping(address token => uint256)) private _credits;
    mapping(address account => uint32) private _withdrawals;
    mapping(address token => bool) private _isAllowed;

    // slot 0: patient, custodian, isSet
    mapping(uint8 category => Split) private _splits;

    modifier byVote() {
        if (msg.sender != consortium) revert EscrowNotByVote(msg.sender);
        _;
    }

    constructor(address consortium_, IAuthority authority) {
        consortium = consortium_;
        _authority = authority;
    }

    // -------------------------------------------------------------------------------------------------- DEPOSITING

    /// @dev Takes exactly `amount` from the caller, or reverts: a token that takes a fee is found out here.
    function _deposit(address token, uint256 amount) internal {
        if (token != NATIVE && !_isAllowed[token]) revert EscrowTokenNotAllowed(token);
        if (msg.value != (token == NATIVE ? amount : 0)) revert EscrowAmountMismatch(amount, msg.value);
        if (token == NATIVE || amount == 0) return;

        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 arrived = IERC20(token).balanceOf(address(this)) - before;

        if (arrived != amount) revert EscrowAmountMismatch(amount, arrived);
    }

    function _credit(address account, address token, uint256 amount) internal {
        if (amount == 0) return;

        _credits[account][token] += amount;

        emit Credited(account, token, amount);
    }

    // ------------------------------------------------------------------------------------------------- WITHDRAWING

    /// @inheritdoc IEscrow
    function withdraw(address account, address token, address to) external {
        _requireControl(account, msg.sender);

        _withdraw(account, token, to);
    }

    /// @inheritdoc IEscrow
    function withdrawSigned(
        address account,
        address token,
        address to,
        uint32 count,
        address signer,
        uint32 deadline,
        bytes calldata signature
    ) external {
        _requireControl(account, signer);
        bytes32 hash = keccak256(abi.encode(WITHDRAW, account, token, to, count, deadline));
        _requireSignature(signer, hash, deadline, signature);
        if (count != _withdrawals[account]) revert SignedOutdated(count, _withdrawals[account]);

        _withdraw(account, token, to);
    }

    function _withdraw(address account, address token, address to) private nonReentrant {
        uint256 amount = _credits[account][token];

        if (amount == 0) revert EscrowNothingToWithdraw(account, token);
        if (to == address(0) || to == address(this)) revert EscrowRecipientInvalid(to);

        _credits[account][token] = 0;
        uint32 count = ++_withdrawals[account];

        emit Withdrawn(account, token, to, amount, count);

        if (token == NATIVE) Address.sendValue(payable(to), amount);
        else IERC20(token).safeTransfer(to, amount);
    }

    function _requireControl(address account, address actor) private view {
        (address controller, ) = _authority.controllerOf(account);

        if (actor != controller) revert EscrowNotAllowed(account, actor);
    }

    // -------------------------------------------------------------------------------------------- DECIDED BY VOTE

    /// @inheritdoc IEscrow
    function setTokenAllowed(address token, bool allowed) external byVote {
        if (token == NATIVE) revert EscrowTokenNotAllowed(token);

        _isAllowed[token] = allowed;

        emit TokenAllowed(token, allowed);
    }

    /// @inheritdoc IEscrow
    function setSplit(uint8 category, uint16 patient, uint16 custodian) external byVote {
        _setSplit(category, patient, custodian);
    }

    function _setSplit(uint8 category, uint16 patient, uint16 custodian) internal {
        if (category == 0 || uint256(patient) + custodian > WHOLE) {
            revert EscrowSplitInvalid(category, patient, custodian);
        }

        _splits[category] = Split({patient: patient, custodian: custodian, isSet: true});

        emit SplitSet(category, patient, custodian);
    }

    // ------------------------------------------------------------------------------------------------------ VIEWS

    /// @inheritdoc IEscrow
    function creditOf(address account, address token) external view returns (uint256) {
        return _credits[account][token];
    }

    /// @inheritdoc IEscrow
    function withdrawalsOf(address account) external view returns (uint32) {
        return _withdrawals[account];
    }

    /// @inheritdoc IEscrow
    function isTokenAllowed(address token) external view returns (bool) {
        return token == NATIVE || _isAllowed[token];
    }

    /// @inheritdoc IEscrow
    function getSplit(uint8 category) public view returns (Split memory) {
        return _splits[category];
    }
}
