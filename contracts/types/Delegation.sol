// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev What a delegate may do for a patient, in one word:
/// notBefore (32) | expiresAt (32) | purposes (16) | verbs (8) | stamp (8) | epoch (8), the epoch lowest.
/// Who appoints leaves the lowest 16 bits empty: stamp and epoch are the registry's to fill in.
type Delegation is uint256;

using {
    notBefore,
    expiresAt,
    purposes,
    verbs,
    stamp,
    epoch,
    startingFrom,
    underCount,
    dismissed
} for Delegation global;

/// @dev First second in which the delegate may act, Unix time.
function notBefore(Delegation self) pure returns (uint32) {
    return uint32(Delegation.unwrap(self) >> 72);
}

/// @dev First second in which he no longer may, Unix time; no grant of his lasts longer.
function expiresAt(Delegation self) pure returns (uint32) {
    return uint32(Delegation.unwrap(self) >> 40);
}

/// @dev Purposes for which he may grant, bits of the library Purposes.
function purposes(Delegation self) pure returns (uint16) {
    return uint16(Delegation.unwrap(self) >> 24);
}

/// @dev Bits of the library Verbs; 0 once dismissed.
function verbs(Delegation self) pure returns (uint8) {
    return uint8(Delegation.unwrap(self) >> 16);
}

/// @dev The patient's stamp when the delegate was appointed.
function stamp(Delegation self) pure returns (uint8) {
    return uint8(Delegation.unwrap(self) >> 8);
}

/// @dev How often the delegate was appointed or dismissed.
function epoch(Delegation self) pure returns (uint8) {
    return uint8(Delegation.unwrap(self));
}

/// @dev The same delegation, beginning at `time` if it would have begun earlier.
function startingFrom(Delegation self, uint256 time) pure returns (Delegation) {
    if (self.notBefore() >= time) return self;

    uint256 cleared = Delegation.unwrap(self) & ~(uint256(type(uint32).max) << 72);
    return Delegation.wrap(cleared | (uint256(uint32(time)) << 72));
}

/// @dev The same delegation with the two counters, and nothing above its 104 bits.
function underCount(Delegation self, uint256 newStamp, uint256 newEpoch) pure returns (Delegation) {
    uint256 cleared = Delegation.unwrap(self) & (uint256(type(uint104).max) - type(uint16).max);
    return Delegation.wrap(cleared | (newStamp << 8) | newEpoch);
}

/// @dev The same delegation without verbs, changed once more.
function dismissed(Delegation self, uint256 newEpoch) pure returns (Delegation) {
    uint256 cleared = Delegation.unwrap(self) & ~(uint256(type(uint8).max) << 16) & ~uint256(type(uint8).max);
    return Delegation.wrap(cleared | newEpoch);
}
