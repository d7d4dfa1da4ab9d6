// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A token that can be told to behave as badly as tokens do.
/// @dev Not `is IERC20`: some tokens return nothing.
contract HostileToken__Mock {
    enum Manner {
        Honest,
        TakesFee,
        GivesMore,
        ReturnsNothing,
        ReturnsFalse,
        Reverts,
        RevertsSilently,
        EatsGas,
        Reenters,
        BalanceReverts
    }

    /// @notice What came of a call that was made while tokens moved.
    event Reentered(uint256 index, bool done, bytes answer);

    error Blacklisted(address account);
    error TooFew(address account);
    error NotToday();

    uint256 private constant WHOLE = 100;

    Manner private _manner;
    mapping(address account => uint256) private _balances;
    mapping(address account => bool) private _isBlacklisted;
    uint256 private _share = WHOLE;

    address private _target;
    bytes[] private _calls;

    // -------------------------------------------------------------------------------------------- how it behaves

    function set(Manner manner) external {
        _manner = manner;
    }

    function blacklist(address account, bool isBlacklisted) external {
        _isBlacklisted[account] = isBlacklisted;
    }

    /// @notice All balances are worth so many of a hundred from now on.
    function rebase(uint256 share) external {
        _share = share;
    }

    /// @notice What to call while tokens move.
    function prepare(address target, bytes[] calldata calls) external {
        _target = target;
        delete _calls;
        for (uint256 i = 0; i < calls.length; ++i) _calls.push(calls[i]);
    }

    /// @notice Act as the token.
    function execute(address target, bytes calldata data) external payable {
        (bool done, bytes memory answer) = target.call{value: msg.value}(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {}

    // ------------------------------------------------------------------------------------------------ the token

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function approve(address, uint256) external pure returns (bool) {
        return true;
    }

    function balanceOf(address account) external view returns (uint256) {
        if (_manner == Manner.BalanceReverts) revert NotToday();
        return (_balances[account] * _share) / WHOLE;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        Manner manner = _manner;
        if (manner == Manner.Reverts) revert NotToday();
        if (manner == Manner.RevertsSilently) revert();
        if (manner == Manner.EatsGas) {
            assembly {
                invalid()
            }
        }
        if (_isBlacklisted[from]) revert Blacklisted(from);
        if (_isBlacklisted[to]) revert Blacklisted(to);
        if (manner == Manner.ReturnsFalse) _answer(0);

        uint256 own = (amount * WHOLE) / _share;
        if (_balances[from] < own) revert TooFew(from);
        _balances[from] -= own;
        _balances[to] += manner == Manner.TakesFee ? own - 1 : manner == Manner.GivesMore ? own + 1 : own;

        if (manner == Manner.Reenters) {
            for (uint256 i = 0; i < _calls.length; ++i) {
                (bool done, bytes memory answer) = _target.call(_calls[i]);
                emit Reentered(i, done, answer);
            }
        }
        if (manner == Manner.ReturnsNothing) {
            assembly {
                return(0, 0)
            }
        }
        _answer(1);
    }

    function _answer(uint256 yes) private pure {
        assembly {
            mstore(0, yes)
            return(0, 32)
        }
    }
}
