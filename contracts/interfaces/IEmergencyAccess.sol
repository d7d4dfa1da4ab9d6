// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BundleId, EpisodeId} from "../types/Ids.sol";
import {IAccessToken} from "./IAccessToken.sol";
import {ISigned} from "./ISigned.sol";

/// @title Break-glass
/// @notice An accredited clinician opens an emergency episode for one patient who cannot consent, for hours; the patient
/// is told, and somebody else reviews it.
/// @dev An episode is a soulbound token for BTG that ends by itself; it never makes a grant. It holds only while the
/// clinician is accredited. Keys come from custodians, who ask `isLive` before they release any. Who leaves an episode
/// unreviewed past its deadline opens no other one. All times are Unix seconds.
interface IEmergencyAccess is IAccessToken, ISigned {
    /// @notice What a reviewer found.
    enum Verdict {
        None,
        Justified,
        Unjustified
    }

    /// @notice An episode, in one slot.
    /// @param patient for whom the glass was broken
    /// @param openedAt first second of the episode
    /// @param endsAt first second after it
    /// @param reason coded: 1 unconscious, 2 incapable, 3 threat to life, 4 threat to others
    /// @param verdict what the review found
    struct Episode {
        address patient;
        uint32 openedAt;
        uint32 endsAt;
        uint8 reason;
        Verdict verdict;
    }

    /// @notice A clinician's episodes.
    /// @param episodes how many he has opened
    /// @param reviewed up to which number all are reviewed
    struct Standing {
        uint32 episodes;
        uint32 reviewed;
    }

    /// @notice A clinician broke the glass. The patient's clients show this first.
    /// @param details salted digest of what the clinician wrote; the text is off chain
    /// @custom:privacy Makes public that this clinician treats this pseudonym in an emergency, when, and the coded reason.
    event GlassBroken(
        address indexed patient,
        address indexed clinician,
        EpisodeId indexed id,
        uint8 reason,
        bytes32 details,
        uint32 endsAt
    );

    /// @notice An episode was ended before its time, by the clinician or the patient.
    /// @custom:privacy Makes public that it ended, and by whom.
    event EpisodeEnded(EpisodeId indexed id, address indexed by);

    /// @notice A custodian released keys to the clinician of an episode.
    /// @param bundle digest of the CID of the key bundle
    /// @custom:privacy Makes public that this custodian holds something of the patient and released it, and when.
    event KeysReleased(EpisodeId indexed id, address indexed custodian, BundleId bundle);

    /// @notice Somebody else reviewed an episode.
    /// @param note salted digest of the review; the text is off chain
    /// @custom:privacy Makes public who reviewed, and whether he found it justified.
    event EpisodeReviewed(EpisodeId indexed id, address indexed reviewer, Verdict verdict, bytes32 note);

    /// @notice A patient barred break-glass for himself, or allowed it again.
    /// @custom:privacy Makes public that he did, and when.
    event BarSet(address indexed patient, bool barred, uint32 count);

    /// @notice Only an accredited clinician can break the glass, and only an accredited reviewer review.
    /// @custom:privacy Nothing: accreditation is public.
    error EmergencyAccessNotAccredited(address actor);

    /// @notice The patient has barred break-glass.
    /// @custom:privacy Nothing: the bar is public.
    error EmergencyAccessBarred(address patient);

    /// @notice An episode needs a patient other than the clinician.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessPatientInvalid(address patient);

    /// @notice The reason is none of the codes.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessReasonUnknown(uint8 reason);

    /// @notice An episode lasts a minute at least, and no longer than the limit.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessDurationOutOfRange(uint32 duration, uint32 limit);

    /// @notice The clinician has an episode open for this patient already.
    /// @custom:privacy Nothing: the episode is public.
    error EmergencyAccessEpisodeOpen(EpisodeId id);

    /// @notice An earlier episode was not reviewed in time: the clinician opens no other until it is.
    /// @custom:privacy Nothing: the episode is public.
    error EmergencyAccessReviewOverdue(EpisodeId id);

    /// @notice Too many of the clinician's episodes wait for review.
    /// @custom:privacy Nothing: the episodes are public.
    error EmergencyAccessTooManyUnreviewed(address clinician, uint32 limit);

    /// @notice There is no such episode.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessEpisodeUnknown(EpisodeId id);

    /// @notice The episode is over.
    /// @custom:privacy Nothing: the episode is public.
    error EmergencyAccessEpisodeOver(EpisodeId id);

    /// @notice This address may not do this to this episode, or for this patient.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessNotAllowed(address actor);

    /// @notice The episode was reviewed before.
    /// @custom:privacy Nothing: the review is public.
    error EmergencyAccessReviewed(EpisodeId id);

    /// @notice A review says whether it was justified.
    /// @custom:privacy Nothing: says what the caller asked.
    error EmergencyAccessVerdictMissing();

    /// @notice Open an emergency episode for a patient who cannot consent.
    /// @dev Warning: this is seen by everybody for ever, the patient is told, and somebody else will review it.
    /// @param reason coded: 1 unconscious, 2 incapable, 3 threat to life, 4 threat to others
    /// @param details salted digest of what happened
    /// @param duration seconds
    /// @return id the token's id: the clinician, and the number of his episode
    /// @custom:privacy Makes public that the caller treats this pseudonym in an emergency, when, and the coded reason.
    function breakGlass(
        address patient,
        uint8 reason,
        bytes32 details,
        uint32 duration
    ) external returns (EpisodeId id);

    /// @notice End an episode now; for its clinician, or the one in control of the patient.
    /// @custom:privacy Makes public that it ended, and by whom.
    function end(EpisodeId id) external;

    /// @notice As end, by the signature of the one in control of the patient.
    /// @dev The signed struct is `EndEpisode(uint256 episodeId,uint32 deadline)`. It works once: an episode ends once.
    /// @custom:privacy As end.
    function endSigned(EpisodeId id, address signer, uint32 deadline, bytes calldata signature) external;

    /// @notice State, as a custodian, which keys you have released to the clinician of a live episode.
    /// @dev Anybody may state this of himself. Clients rely on it only from the custodian of the record.
    /// @custom:privacy Makes public that the caller holds something of the patient and released it, and when.
    function release(EpisodeId id, BundleId bundle) external;

    /// @notice Review an episode that has ended, or has not, as an accredited reviewer who is neither of the two.
    /// @dev A late review lifts the suspension that its delay caused.
    /// @param note salted digest of the review
    /// @custom:privacy Makes public who reviewed, and whether he found it justified.
    function review(EpisodeId id, Verdict verdict, bytes32 note) external;

    /// @notice Bar break-glass for a patient, or allow it again; for the one in control of him.
    /// @dev Warning: who bars it and comes in unconscious is treated without his records. Live episodes go on; end them.
    /// @custom:privacy Makes public that he did, and when.
    function setBar(address patient, bool barred) external;

    /// @notice As setBar, by the signature of the one in control.
    /// @dev The signed struct is `SetBar(address patient,bool barred,uint32 count,uint32 deadline)`: `count` is how often
    /// the bar was set so far.
    /// @custom:privacy As setBar.
    function setBarSigned(
        address patient,
        bool barred,
        uint32 count,
        address signer,
        uint32 deadline,
        bytes calldata signature
    ) external;

    /// @notice Whether an episode is in force now, and BTG all that is asked.
    /// @param purposes bits of the library Purposes
    /// @custom:privacy Nothing new: reads what is public.
    function isLive(EpisodeId id, uint16 purposes) external view returns (bool);

    /// @notice An episode as it stands. Reverts where there is none.
    /// @custom:privacy Nothing new: reads what is public.
    function getEpisode(EpisodeId id) external view returns (Episode memory);

    /// @notice How many episodes a clinician has opened, and up to which all are reviewed.
    /// @custom:privacy Nothing new: reads what is public.
    function getStanding(address clinician) external view returns (Standing memory);

    /// @notice Whether a patient has barred break-glass, and how often he set it.
    /// @custom:privacy Nothing new: reads what is public.
    function getBar(address patient) external view returns (bool barred, uint32 count);

    /// @notice Longest episode, seconds.
    /// @custom:privacy Nothing.
    function longestEpisode() external view returns (uint32);

    /// @notice Time from the opening of an episode to the deadline of its review, seconds.
    /// @custom:privacy Nothing.
    function reviewPeriod() external view returns (uint32);

    /// @notice How many episodes of one clinician may wait for review.
    /// @custom:privacy Nothing.
    function mostUnreviewed() external view returns (uint32);
}
