// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ISigned} from "./interfaces/ISigned.sol";

/// @title Signed
/// @notice What all contracts with signed verbs share: the EIP-712 domain, whose signature it is, and batches.
/// @dev The domain is our own twenty lines: OpenZeppelin's drags in an instruction that chains before Cancun lack.
abstract contract Signed is ISigned {
    bytes32 private constant DOMAIN =
        keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    string private constant VERSION = "1";

    /// @dev Enough for a wallet of several owners; a wallet that burns it all takes nothing else with it.
    uint256 private constant WALLET_GAS = 400_000;

    uint256 private immutable _chainId = block.chainid;
    bytes32 private immutable _separator = _domainSeparator();

    // ------------------------------------------------------------------------------------------------ THE DOMAIN

    /// @inheritdoc IERC5267
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        // Five bits for the fields of the domain, name lowest: all but the salt.
        return (hex"0f", _domainName(), VERSION, block.chainid, address(this), 0, new uint256[](0));
    }

    /// @dev The name a person reads in his wallet before he signs.
    function _domainName() internal pure virtual returns (string memory);

    function _domainSeparator() private view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    DOMAIN,
                    keccak256(bytes(_domainName())),
                    keccak256(bytes(VERSION)),
                    block.chainid,
                    address(this)
                )
            );
    }

    /// @dev What is signed. The separator is made anew where a fork has changed the chain's id.
    function _digest(bytes32 structHash) internal view returns (bytes32) {
        bytes32 separator = block.chainid == _chainId ? _separator : _domainSeparator();

        return keccak256(abi.encodePacked(hex"1901", separator, structHash));
    }

    // ---------------------------------------------------------------------------------------------------- BATCHES

    /// @inheritdoc ISigned
    function batch(bytes[] calldata calls) external returns (bool[] memory done) {
        done = new bool[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            bytes memory reason;
            (done[i], reason) = address(this).delegatecall(calls[i]);
            if (!done[i]) {
                if (reason.length == 0) revert();
                emit CallRefused(i, reason);
            }
        }
    }

    // -------------------------------------------------------------------------------------------- SHARED INTERNALS

    /// @dev Reverts unless `signer` signed the struct with this hash, for this contract and chain, and it is in time.
    function _requireSignature(
        address signer,
        bytes32 structHash,
        uint32 deadline,
        bytes calldata signature
    ) internal view {
        if (block.timestamp >= deadline) revert SignedDeadlinePassed(deadline);
        if (!_isSignature(signer, _digest(structHash), signature)) revert SignedSignatureInvalid(signer);
    }

    /// @dev The key is tried first: asking for the signer's code would cost 2,600 gas more.
    function _isSignature(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(digest, signature);
        if (problem == ECDSA.RecoverError.NoError && recovered == signer) return true;
        if (signer.code.length == 0) return false;

        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes32 answer;
        // Short of gas is no answer of the wallet's. One part in 64 stays here (EIP-150).
        if (gasleft() - gasleft() / 64 < WALLET_GAS + 5_000) revert();
        // In assembly, since Solidity would copy an answer of any length, at the cost of whoever sends it.
        assembly ("memory-safe") {
            if staticcall(WALLET_GAS, signer, add(question, 0x20), mload(question), 0x00, 0x20) {
                if eq(returndatasize(), 0x20) {
                    answer := mload(0x00)
                }
            }
        }
        return answer == IERC1271.isValidSignature.selector;
    }
}
