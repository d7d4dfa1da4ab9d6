// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Who is sent coins, and can be told to take them badly.
contract Recipient__Mock {
    enum Manner {
        Takes,
        Rejects,
        EatsGas,
        Reenters
    }

    /// @notice What came of the call that was made while coins came in.
    event Reentered(bool done, bytes answer);

    Manner private _manner;
    bytes private _call;

    function set(Manner manner, bytes calldata call) external {
        _manner = manner;
        _call = call;
    }

    /// @notice Act as the recipient.
    function execute(address target, bytes calldata data) external payable {
        (bool done, bytes memory answer) = target.call{value: msg.value}(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    receive() external payable {
        if (_manner == Manner.Rejects) revert("no");
        if (_manner == Manner.EatsGas) {
            assembly {
                invalid()
            }
        }
        if (_manner == Manner.Reenters) {
            (bool done, bytes memory answer) = msg.sender.call(_call);
            emit Reentered(done, answer);
        }
    }
}
