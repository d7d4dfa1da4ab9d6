// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @notice A contract wallet with one owner, that can be told to answer as badly as a wallet can.
/// @dev Not `is IERC1271`: it may try to write, which a view cannot say.
contract Wallet__Mock {
    enum Manner {
        Honest,
        Yes,
        No,
        Reverts,
        RevertsWithYes,
        Panics,
        EatsGas,
        Empty,
        Short,
        Long,
        Dirty,
        Shifted,
        True,
        Huge,
        RevertsHuge,
        Writes,
        Demanding
    }

    address private _owner;
    Manner private _manner;
    uint256 private _written;

    function set(address owner, Manner manner) external {
        _owner = owner;
        _manner = manner;
    }

    /// @notice Act as the wallet.
    function execute(address target, bytes calldata data) external {
        (bool done, bytes memory answer) = target.call(data);
        if (!done) {
            assembly {
                revert(add(answer, 32), mload(answer))
            }
        }
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external returns (bytes4) {
        bytes32 yes = IERC1271.isValidSignature.selector;
        Manner manner = _manner;

        // What it takes to get here is some 2,700 of the 400,000 that it is promised.
        if (manner == Manner.Demanding) {
            return gasleft() >= 397_000 ? IERC1271.isValidSignature.selector : bytes4(0);
        }
        if (manner == Manner.Honest) {
            (address signer, , ) = ECDSA.tryRecoverCalldata(hash, signature);
            return signer == _owner ? IERC1271.isValidSignature.selector : bytes4(0);
        }
        if (manner == Manner.Yes) return IERC1271.isValidSignature.selector;
        if (manner == Manner.No) return 0xffffffff;
        if (manner == Manner.Reverts) revert("no");
        if (manner == Manner.RevertsWithYes) {
            assembly ("memory-safe") {
                mstore(0, yes)
                revert(0, 32)
            }
        }
        if (manner == Manner.Panics) assert(false);
        if (manner == Manner.EatsGas) {
            assembly {
                invalid()
            }
        }
        if (manner == Manner.Empty) {
            assembly {
                return(0, 0)
            }
        }
        if (manner == Manner.Short) {
            assembly {
                mstore(0, yes)
                return(0, 31)
            }
        }
        if (manner == Manner.Long) {
            assembly {
                mstore(0, yes)
                mstore(32, 0)
                return(0, 64)
            }
        }
        if (manner == Manner.Dirty) {
            assembly {
                mstore(0, or(yes, 1))
                return(0, 32)
            }
        }
        if (manner == Manner.Shifted) {
            assembly {
                mstore(0, shr(224, yes))
                return(0, 32)
            }
        }
        if (manner == Manner.True) {
            assembly {
                mstore(0, 1)
                return(0, 32)
            }
        }
        if (manner == Manner.Huge) {
            assembly {
                mstore(0, yes)
                return(0, 390000)
            }
        }
        if (manner == Manner.RevertsHuge) {
            assembly {
                revert(0, 390000)
            }
        }
        ++_written;
        return IERC1271.isValidSignature.selector;
    }
}
