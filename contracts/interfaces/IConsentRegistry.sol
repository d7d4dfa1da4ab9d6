// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Authorization} from "../types/Authorization.sol";
import {Grant} from "../types/Grant.sol";
import {BundleId, GrantId, TermsDigest} from "../types/Ids.sol";
import {IAccessToken} from "./IAccessToken.sol";
import {IAuthority} from "./IAuthority.sol";

/// @title Which rights are live
/// @notice A patient grants a reader access until a time, for purposes, and takes it back whenever he wants: himself,
/// by a signature that anybody sends, or through a delegate.
/// @dev Revoking never fails for the patient and never waits for anything. It may be repeated: each time it also ends
/// whatever signature was given for this grant before. All times are Unix seconds; a grant is live from `notBefore`
/// on, and no longer at `expiresAt`.
interface IConsentRegistry is IAccessToken, IAuthority {
    /// @notice A grant, field by field.
    /// @param grantee who may read
    /// @param notBefore first second in which the grant is live
    /// @param expiresAt first second in which it is not
    /// @param purposes bits of the library Purposes; 0 once revoked
    /// @param stamp the patient's stamp when this was granted: another stamp now means that all was revoked since
    /// @param epoch number of changes to this grant so far
    struct GrantFields {
        address grantee;
        uint32 notBefore;
        uint32 expiresAt;
        uint16 purposes;
        uint8 stamp;
        uint8 epoch;
    }

    /// @notice A patient granted access, or gave an earlier grant new dates, purposes or bundle.
    /// @dev The id names the patient. Who searches by patient or grantee finds the id by TransferSingle's `operator`
    /// (always the patient) and `to`; repeating them here would cost every grant 750 gas.
    /// @param id the grant's id
    /// @param terms salted digest of the terms
    /// @param bundle digest of the CID of the key bundle
    /// @param granted the grant as it is stored
    /// @custom:privacy Makes public that patient and grantee, two pseudonyms, are related, when, until when, and for
    /// which coarse purposes. Which records, categories and conditions is in the encrypted terms.
    event AccessGranted(GrantId indexed id, TermsDigest terms, BundleId bundle, Grant granted);

    /// @notice A patient revoked a grant.
    /// @custom:privacy Makes public that the patient took this grant back, and when; never why.
    event AccessRevoked(GrantId indexed id, uint8 epoch);

    /// @notice A patient revoked every grant he had given.
    /// @custom:privacy Makes public that the patient took everything back, and when; never why.
    event AllAccessRevoked(address indexed patient, uint8 stamp);

    /// @notice Access cannot be granted to the zero address.
    /// @custom:privacy Nothing.
    error ConsentRegistryGranteeIsZero();

    /// @notice A patient needs no grant for his own records.
    /// @custom:privacy Nothing.
    error ConsentRegistryGranteeIsPatient(address patient);

    /// @notice The grant would end before it begins, or has ended already.
    /// @custom:privacy Nothing: says what the caller asked.
    error ConsentRegistryPeriodEmpty(uint32 notBefore, uint32 expiresAt);

    /// @notice A grant needs a purpose, and so does a question about one.
    /// @custom:privacy Nothing.
    error ConsentRegistryPurposesEmpty();

    /// @notice Nothing was ever granted or revoked under this id.
    /// @custom:privacy Nothing: says what the caller asked.
    error ConsentRegistryGrantUnknown(GrantId id);

    /// @notice Other terms for another grantee have this id already; a new salt gives another id.
    /// @custom:privacy Nothing: the grant is public.
    error ConsentRegistryGrantIdTaken(GrantId id, address grantee);

    /// @notice The grant was changed 254 times; new terms, with a new salt, give a new grant.
    /// @custom:privacy Nothing: the grant is public.
    error ConsentRegistryGrantExhausted(GrantId id);

    /// @notice The patient revoked all 255 times: this address can grant nothing more.
    /// @custom:privacy Nothing: the events are public.
    error ConsentRegistryPatientExhausted(address patient);

    /// @notice Grant a reader access to what the terms name.
    /// @dev The same patient, grantee and terms give the same id: granting again replaces dates, purposes and bundle.
    /// Warning: a reader keeps what he has decrypted; granting cannot be undone for the past.
    /// @param terms salted digest of the terms
    /// @param bundle digest of the CID of the key bundle
    /// @param wanted grantee, dates and purposes; a `notBefore` that has passed means from this block on, `expiresAt`
    /// must lie ahead, the two counters are filled in
    /// @return id the grant's id
    /// @custom:privacy Makes public that the caller, a pseudonym, lets the grantee read something, when, until when,
    /// and for which coarse purposes; never what.
    function grant(TermsDigest terms, BundleId bundle, Grant wanted) external returns (GrantId id);

    /// @notice As grant, by somebody who may act for the patient: the key that took over, or a delegate.
    /// @dev A delegate grants for no other purposes and for no longer than he is appointed.
    /// @custom:privacy As grant, and that the caller acted for the patient.
    function grantFor(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted
    ) external returns (GrantId id);

    /// @notice As grant, by the signature of the patient, of the key that took over, or of a delegate.
    /// @dev The signed struct is `Grant(address patient,address grantee,bytes32 terms,bytes32 bundle,uint16 purposes,
    /// uint32 notBefore,uint32 expiresAt,uint8 stamp,uint8 epoch,uint8 mandate,uint32 deadline)`: stamp and epoch as they
    /// stand, so that it works once, and never after the patient revoked this or everything. Warning: a signature for
    /// an epoch yet to come outlives one revocation; clients sign what the chain shows.
    /// @param wanted as for grant, with stamp and epoch as they were signed
    /// @custom:privacy As grant.
    function grantSigned(
        address patient,
        TermsDigest terms,
        BundleId bundle,
        Grant wanted,
        Authorization authorization,
        bytes calldata signature
    ) external returns (GrantId id);

    /// @notice Take a grant back, from this block on; for the patient, or a delegate who may revoke.
    /// @dev Never refused to the patient, also where nothing was granted yet: it then ends signatures given before.
    /// @custom:privacy Makes public that the patient took this grant back, and when; never why.
    function revoke(GrantId id) external;

    /// @notice As revoke, by signature.
    /// @dev The signed struct is `Revoke(address patient,uint256 grantId,uint8 lastEpoch,uint8 mandate,uint32 deadline)`:
    /// it ends every change of this grant up to `lastEpoch`, so that nobody holds it back by sending a grant first.
    /// @custom:privacy As revoke.
    function revokeSigned(GrantId id, uint8 lastEpoch, Authorization authorization, bytes calldata signature) external;

    /// @notice Take back everything granted, delegated or signed so far, the grants that have not begun included.
    /// @param patient for whom; the caller is the one in control of this patient
    /// @custom:privacy Makes public that the patient took everything back, and when; never why.
    function revokeAll(address patient) external;

    /// @notice As revokeAll, by the signature of the one in control.
    /// @dev The signed struct is `RevokeAll(address patient,uint8 stamp,uint8 mandate,uint32 deadline)`, the stamp as it
    /// stands.
    /// @custom:privacy As revokeAll.
    function revokeAllSigned(address patient, uint8 stamp, Authorization authorization, bytes calldata signature) external;

    /// @notice Whether a grant is live now for all of `purposes`.
    /// @custom:privacy Nothing new: reads what is public.
    function isLive(GrantId id, uint16 purposes) external view returns (bool);

    /// @notice Whether each of many grants is live now for all of `purposes`.
    /// @custom:privacy Nothing new: reads what is public.
    function areLive(GrantId[] calldata ids, uint16 purposes) external view returns (bool[] memory);

    /// @notice A grant as it stands, live or not. Reverts where nothing was ever granted or revoked.
    /// @custom:privacy Nothing new: reads what is public.
    function getGrant(GrantId id) external view returns (GrantFields memory);
}
