// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Coarse purposes of use, one bit each, in the words of HL7's PurposeOfUse
/// @dev Emergency stands beside treatment and not under it: TREAT never implies ETREAT, nor either of them BTG, which
/// comes from EmergencyAccess alone. The finer code is in the encrypted terms. `medshare.model.purpose.Purpose` has the
/// same bits; a test asks both.
library Purposes {
    uint16 internal constant TREAT = 1 << 0;
    uint16 internal constant ETREAT = 1 << 1;
    uint16 internal constant HPAYMT = 1 << 2;
    uint16 internal constant HOPERAT = 1 << 3;
    uint16 internal constant HRESCH = 1 << 4;
    uint16 internal constant PATRQT = 1 << 5;
    uint16 internal constant PUBHLTH = 1 << 6;
    uint16 internal constant HMARKT = 1 << 7;
    uint16 internal constant BTG = 1 << 8;
}
