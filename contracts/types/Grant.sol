// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev A grant in one word, the same in calldata, storage and events:
/// grantee (160) | notBefore (32) | expiresAt (32) | purposes (16) | stamp (8) | epoch (8), the grantee uppermost.
/// Who grants leaves the lowest 16 bits empty: stamp and epoch are the registry's to fill in.
type Grant is uint256;

using {
    grantee,
    notBefore,
    expiresAt,
    purposes,
    stamp,
    epoch,
    counts,
    startingFrom,
    underCount,
    revoked
} for Grant global;

function grantee(Grant self) pure returns (address) {
    return address(uint160(Grant.unwrap(self) >> 96));
}

/// @dev First second in which the grant is live, Unix time.
function notBefore(Grant self) pure returns (uint32) {
    return uint32(Grant.unwrap(self) >> 64);
}

/// @dev First second in which the grant is no longer live, Unix time.
function expiresAt(Grant self) pure returns (uint32) {
    return uint32(Grant.unwrap(self) >> 32);
}

/// @dev Bits of the library Purposes; 0 once revoked.
function purposes(Grant self) pure returns (uint16) {
    return uint16(Grant.unwrap(self) >> 16);
}

/// @dev The patient's stamp when this was granted.
function stamp(Grant self) pure returns (uint8) {
    return uint8(Grant.unwrap(self) >> 8);
}

/// @dev How often the grant was changed.
function epoch(Grant self) pure returns (uint8) {
    return uint8(Grant.unwrap(self));
}

/// @dev Stamp and epoch together.
function counts(Grant self) pure returns (uint256) {
    return uint16(Grant.unwrap(self));
}

/// @dev The same grant, beginning at `time` if it would have begun earlier.
function startingFrom(Grant self, uint256 time) pure returns (Grant) {
    if (self.notBefore() >= time) return self;

    uint256 cleared = Grant.unwrap(self) & ~(uint256(type(uint32).max) << 64);
    return Grant.wrap(cleared | (uint256(uint32(time)) << 64));
}

/// @dev The same grant with the two counters in place of whatever its lowest 16 bits held.
function underCount(Grant self, uint256 newStamp, uint256 newEpoch) pure returns (Grant) {
    uint256 cleared = Grant.unwrap(self) & ~uint256(type(uint16).max);
    return Grant.wrap(cleared | (newStamp << 8) | newEpoch);
}

/// @dev The same grant without purposes, changed once more.
function revoked(Grant self, uint256 newEpoch) pure returns (Grant) {
    uint256 cleared = Grant.unwrap(self) & ~(uint256(type(uint16).max) << 16) & ~uint256(type(uint8).max);
    return Grant.wrap(cleared | newEpoch);
}
