// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @notice A contract wallet whose signature is the digest itself: a contract that takes it computed this very digest.
contract Digest__Harness is IERC1271 {
    function isValidSignature(bytes32 hash, bytes calldata signature) external pure returns (bytes4) {
        bool isSame = signature.length == 32 && bytes32(signature) == hash;

        return isSame ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}
