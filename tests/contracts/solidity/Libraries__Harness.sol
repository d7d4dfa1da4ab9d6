// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {GrantIds} from "../../../contracts/libraries/GrantIds.sol";
import {Purposes} from "../../../contracts/libraries/Purposes.sol";
import {Grant} from "../../../contracts/types/Grant.sol";
import {GrantId, TermsDigest} from "../../../contracts/types/Ids.sol";

/// @notice What the chain computes and the Python model computes too, laid open for a test that asks both.
contract Libraries__Harness {
    struct Fields {
        address grantee;
        uint32 notBefore;
        uint32 expiresAt;
        uint16 purposes;
        uint8 stamp;
        uint8 epoch;
    }

    function deriveGrantId(address patient, address grantee, TermsDigest terms) external pure returns (GrantId) {
        return GrantIds.derive(patient, grantee, terms);
    }

    function patientOf(GrantId id) external pure returns (address) {
        return GrantIds.patientOf(id);
    }

    function purposes() external pure returns (string[9] memory codes, uint16[9] memory bits) {
        codes = ["TREAT", "ETREAT", "HPAYMT", "HOPERAT", "HRESCH", "PATRQT", "PUBHLTH", "HMARKT", "BTG"];
        bits = [
            Purposes.TREAT,
            Purposes.ETREAT,
            Purposes.HPAYMT,
            Purposes.HOPERAT,
            Purposes.HRESCH,
            Purposes.PATRQT,
            Purposes.PUBHLTH,
            Purposes.HMARKT,
            Purposes.BTG
        ];
    }

    function fields(Grant grant) public pure returns (Fields memory) {
        return
            Fields({
                grantee: grant.grantee(),
                notBefore: grant.notBefore(),
                expiresAt: grant.expiresAt(),
                purposes: grant.purposes(),
                stamp: grant.stamp(),
                epoch: grant.epoch()
            });
    }

    function startingFrom(Grant grant, uint256 time) external pure returns (Fields memory) {
        return fields(grant.startingFrom(time));
    }

    function underCount(Grant grant, uint8 stamp, uint8 epoch) external pure returns (Fields memory) {
        return fields(grant.underCount(stamp, epoch));
    }

    function revoked(Grant grant, uint8 epoch) external pure returns (Fields memory) {
        return fields(grant.revoked(epoch));
    }
}
