// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What a delegate may be allowed to do, one bit each
/// @dev Nothing else can be delegated: not revoking everything, not appointing, not recovery.
/// `medshare.model.delegation.Verbs` has the same bits; a test asks both.
library Verbs {
    uint8 internal constant GRANT = 1 << 0;
    uint8 internal constant REVOKE = 1 << 1;
    uint8 internal constant ALL = GRANT | REVOKE;
}
