// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {ERC165} from "@openzeppelin/contracts/utils/introspection/ERC165.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";

import {IAccessToken} from "./interfaces/IAccessToken.sol";

/// @title AccessToken
/// @notice The ERC-1155 face of a grant. It holds no state: who keeps the grants says what is live.
abstract contract AccessToken is ERC165, IAccessToken {
    /// @dev ERC-5192 has one view and two events; its interface id is the view's selector.
    bytes4 private constant ERC5192_ID = 0xb45a3c0e;

    // ----------------------------------------------------------------------------------------------- NEVER MOVING

    /// @inheritdoc IERC1155
    function safeTransferFrom(address, address, uint256, uint256, bytes calldata) external pure {
        revert AccessTokenNotTransferable();
    }

    /// @inheritdoc IERC1155
    function safeBatchTransferFrom(
        address,
        address,
        uint256[] calldata,
        uint256[] calldata,
        bytes calldata
    ) external pure {
        revert AccessTokenNotTransferable();
    }

    /// @inheritdoc IERC1155
    function setApprovalForAll(address, bool) external pure {
        revert AccessTokenNotTransferable();
    }

    /// @inheritdoc IERC1155
    function isApprovedForAll(address, address) external pure returns (bool) {
        return false;
    }

    /// @inheritdoc IAccessToken
    function locked(uint256) external pure returns (bool) {
        return true;
    }

    // ---------------------------------------------------------------------------------------------------- HOLDING

    /// @inheritdoc IERC1155
    function balanceOf(address account, uint256 id) public view returns (uint256) {
        return _isHolder(account, id) ? 1 : 0;
    }

    /// @inheritdoc IERC1155
    function balanceOfBatch(
        address[] calldata accounts,
        uint256[] calldata ids
    ) external view returns (uint256[] memory balances) {
        if (accounts.length != ids.length) revert AccessTokenLengthMismatch(accounts.length, ids.length);

        balances = new uint256[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) balances[i] = balanceOf(accounts[i], ids[i]);
    }

    /// @inheritdoc ERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC165, IERC165) returns (bool) {
        return
            interfaceId == type(IERC1155).interfaceId ||
            interfaceId == ERC5192_ID ||
            super.supportsInterface(interfaceId);
    }

    /// @dev Whether `account` holds the token `id` now.
    function _isHolder(address account, uint256 id) internal view virtual returns (bool);
}
