// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IConsentRegistry} from "../../../contracts/interfaces/IConsentRegistry.sol";
import {BundleId, GrantId, TermsDigest} from "../../../contracts/types/Ids.sol";
import {Grant} from "../../../contracts/types/Grant.sol";

/// @notice A contract as patient, and as somebody who asks and changes within one transaction.
contract Reader__Harness {
    event Asked(bool before, bool granted, bool revoked, bool regranted, bool revokedAll);

    function liveThroughOneTransaction(
        IConsentRegistry registry,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        uint16 purposes,
        GrantId id
    ) external {
        bool[5] memory live;
        live[0] = registry.isLive(id, purposes);
        registry.grant(terms, bundle, wanted);
        live[1] = registry.isLive(id, purposes);
        registry.revoke(id);
        live[2] = registry.isLive(id, purposes);
        registry.grant(terms, bundle, wanted);
        live[3] = registry.isLive(id, purposes);
        registry.revokeAll(address(this));
        live[4] = registry.isLive(id, purposes);
        emit Asked(live[0], live[1], live[2], live[3], live[4]);
    }

    /// @dev Grants and revokes in the name of whoever called, if the registry asked `tx.origin`.
    function actForCaller(
        IConsentRegistry registry,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        GrantId id
    ) external {
        registry.grant(terms, bundle, wanted);
        registry.revoke(id);
    }
}
