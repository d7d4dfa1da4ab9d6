// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";

/// @title The face a grant shows to wallets, explorers and other contracts
/// @notice A soulbound, expiring ERC-1155 token: the grantee holds one while the grant is live, nobody ever moves it.
/// @dev `locked` is ERC-5192's view, for ERC-1155 ids. A balance falls to zero by time and by `revokeAll` without an
/// event; TransferSingle marks the first grant of an id, its revocation, and a grant after a revocation.
/// @custom:privacy ERC-1155's TransferSingle makes public, in topics that are easy to search, what AccessGranted and
/// AccessRevoked say: that patient (`operator`) and grantee (`to` or `from`), two pseudonyms, are related, and when.
interface IAccessToken is IERC1155 {
    /// @notice Access tokens never move, and nobody can be approved to move one.
    /// @custom:privacy Nothing.
    error AccessTokenNotTransferable();

    /// @notice Two lists that belong together have different lengths.
    /// @custom:privacy Nothing.
    error AccessTokenLengthMismatch(uint256 accounts, uint256 ids);

    /// @notice Whether a token is bound to its holder: always true.
    /// @custom:privacy Nothing.
    function locked(uint256 tokenId) external view returns (bool);
}
