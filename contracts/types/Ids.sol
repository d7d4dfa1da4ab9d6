// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev The sha2-256 digest of the CID of a record's directory: from one follows the other.
type RecordId is bytes32;

/// @dev The sha2-256 digest of the CID of a grant's bundle: one header for each record, and the encrypted terms.
type BundleId is bytes32;

/// @dev The sha2-256 digest of the CID of a batch's catalogue: who is in the batch finds his records in it.
type CatalogueId is bytes32;

/// @dev Salted digest of a grant's terms. The salt lives with the terms, off chain.
type TermsDigest is bytes32;

/// @dev An access token's id: the patient in the upper 160 bits, 96 bits of keccak256(grantee, terms) below.
type GrantId is uint256;

/// @dev An emergency token's id: the clinician in the upper 160 bits, the number of his episode below.
type EpisodeId is uint256;

/// @dev A request's number, from 1.
type RequestId is uint256;

/// @dev The sha2-256 digest of the CID of the document that says what a request asks for.
type DocumentId is bytes32;

/// @dev A proposal's number, from 1.
type ProposalId is uint256;
