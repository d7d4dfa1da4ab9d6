// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// What others offer as abstract contracts, each made concrete by the least code that lets its owner call it.

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {ERC1155 as OpenZeppelinERC1155} from "@openzeppelin/contracts/token/ERC1155/ERC1155.sol";
import {ERC20 as OpenZeppelinERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {OwnableRoles} from "solady/src/auth/OwnableRoles.sol";
import {ERC1155 as SoladyERC1155} from "solady/src/tokens/ERC1155.sol";
import {ERC20 as SoladyERC20} from "solady/src/tokens/ERC20.sol";

contract OpenZeppelinRoles is AccessControl {
    constructor() {
        _grantRole(DEFAULT_ADMIN_ROLE, msg.sender);
    }
}

contract OpenZeppelinToken is OpenZeppelinERC1155("") {
    function mint(address to, uint256 id) external {
        _mint(to, id, 1, "");
    }

    function burn(address from, uint256 id) external {
        _burn(from, id, 1);
    }
}

contract OpenZeppelinPermit is OpenZeppelinERC20, ERC20Permit {
    constructor() OpenZeppelinERC20("peer", "PEER") ERC20Permit("peer") {}
}

contract SoladyRoles is OwnableRoles {
    constructor() {
        _initializeOwner(msg.sender);
    }
}

contract SoladyToken is SoladyERC1155 {
    function uri(uint256) public pure override returns (string memory) {
        return "";
    }

    function mint(address to, uint256 id) external {
        _mint(to, id, 1, "");
    }

    function burn(address from, uint256 id) external {
        _burn(from, id, 1);
    }
}

contract SoladyPermit is SoladyERC20 {
    function name() public pure override returns (string memory) {
        return "peer";
    }

    function symbol() public pure override returns (string memory) {
        return "PEER";
    }
}
