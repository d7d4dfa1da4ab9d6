// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {GrantId, TermsDigest} from "../types/Ids.sol";

/// @title How a grant's id names its patient, its grantee and its terms
/// @dev `medshare.model.ids.derive_grant_id` computes the same; a test asks both.
library GrantIds {
    uint256 private constant HASH_BITS = 96;

    function derive(address patient, address grantee, TermsDigest terms) internal pure returns (GrantId) {
        uint96 hash = uint96(uint256(keccak256(abi.encode(grantee, terms))));

        return GrantId.wrap((uint256(uint160(patient)) << HASH_BITS) | hash);
    }

    function patientOf(GrantId id) internal pure returns (address) {
        return address(uint160(GrantId.unwrap(id) >> HASH_BITS));
    }
}
