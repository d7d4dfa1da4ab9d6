// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev Who signed, until when it may be sent, and by which mandate, in one word:
/// signer (160) | unused (56) | deadline (32) | mandate (8), the mandate lowest.
/// Where the patient signs with his own key, signer and mandate are 0: that saves 240 gas of calldata.
type Authorization is uint256;

using {signer, deadline, mandate, isPatients} for Authorization global;

function signer(Authorization self) pure returns (address) {
    return address(uint160(Authorization.unwrap(self) >> 96));
}

/// @dev Whether it is the patient's own key that signed.
function isPatients(Authorization self) pure returns (bool) {
    return Authorization.unwrap(self) & ~(uint256(type(uint32).max) << 8) == 0;
}

/// @dev First second in which it is too late to send it, Unix time.
function deadline(Authorization self) pure returns (uint32) {
    return uint32(Authorization.unwrap(self) >> 8);
}

/// @dev The tenure of the key that took over after a recovery; or the epoch of the delegate's appointment. A mandate that ended takes its signatures with it.
function mandate(Authorization self) pure returns (uint8) {
    return uint8(Authorization.unwrap(self));
}
