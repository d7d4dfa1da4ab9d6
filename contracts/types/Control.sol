// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev What the registry knows of a patient, in one word:
/// unused (80) | controller (160) | tenure (8) | stamp (8), the stamp lowest.
type Control is uint256;

using {controller, tenure, stamp, isPatientHimself, stamped, movedTo} for Control global;

/// @dev The address that took over after the patient's own key was lost; 0 while the patient's own key is in control.
function controller(Control self) pure returns (address) {
    return address(uint160(Control.unwrap(self) >> 16));
}

/// @dev How often control moved.
function tenure(Control self) pure returns (uint8) {
    return uint8(Control.unwrap(self) >> 8);
}

/// @dev How often the patient revoked everything.
function stamp(Control self) pure returns (uint8) {
    return uint8(Control.unwrap(self));
}

/// @dev Whether the patient's own key is in control.
function isPatientHimself(Control self) pure returns (bool) {
    return Control.unwrap(self) <= type(uint16).max;
}

function stamped(Control self, uint8 newStamp) pure returns (Control) {
    return Control.wrap((Control.unwrap(self) & ~uint256(type(uint8).max)) | newStamp);
}

function movedTo(Control self, address newController, uint8 newTenure) pure returns (Control) {
    return Control.wrap((uint256(uint160(newController)) << 16) | (uint256(newTenure) << 8) | self.stamp());
}
