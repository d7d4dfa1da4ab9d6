// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessRequests} from "../../../contracts/interfaces/IAccessRequests.sol";
import {IAccreditation} from "../../../contracts/interfaces/IAccreditation.sol";
import {IDirectory} from "../../../contracts/interfaces/IDirectory.sol";

/// @notice The members of each enum of the consortium and of requests, with their numbers, and its last number.
contract Enums__Harness {
    function kinds() external pure returns (string[7] memory names, uint8[7] memory numbers, uint8 last) {
        names = ["None", "Custodian", "Clinician", "Researcher", "EthicsCommittee", "Assessor", "Reviewer"];
        numbers = [
            uint8(IAccreditation.Kind.None),
            uint8(IAccreditation.Kind.Custodian),
            uint8(IAccreditation.Kind.Clinician),
            uint8(IAccreditation.Kind.Researcher),
            uint8(IAccreditation.Kind.EthicsCommittee),
            uint8(IAccreditation.Kind.Assessor),
            uint8(IAccreditation.Kind.Reviewer)
        ];
        last = uint8(type(IAccreditation.Kind).max);
    }

    function memberStatuses() external pure returns (string[4] memory names, uint8[4] memory numbers, uint8 last) {
        names = ["Unknown", "Seated", "Suspended", "Removed"];
        numbers = [
            uint8(IDirectory.MemberStatus.Unknown),
            uint8(IDirectory.MemberStatus.Seated),
            uint8(IDirectory.MemberStatus.Suspended),
            uint8(IDirectory.MemberStatus.Removed)
        ];
        last = uint8(type(IDirectory.MemberStatus).max);
    }

    function suspensions() external pure returns (string[3] memory names, uint8[3] memory numbers, uint8 last) {
        names = ["None", "ByMember", "ByVote"];
        numbers = [
            uint8(IDirectory.Suspension.None),
            uint8(IDirectory.Suspension.ByMember),
            uint8(IDirectory.Suspension.ByVote)
        ];
        last = uint8(type(IDirectory.Suspension).max);
    }

    function requestStatuses() external pure returns (string[4] memory names, uint8[4] memory numbers, uint8 last) {
        names = ["Unknown", "AwaitingApproval", "Open", "Cancelled"];
        numbers = [
            uint8(IAccessRequests.RequestStatus.Unknown),
            uint8(IAccessRequests.RequestStatus.AwaitingApproval),
            uint8(IAccessRequests.RequestStatus.Open),
            uint8(IAccessRequests.RequestStatus.Cancelled)
        ];
        last = uint8(type(IAccessRequests.RequestStatus).max);
    }

    function reservationStatuses() external pure returns (string[6] memory names, uint8[6] memory numbers, uint8 last) {
        names = ["None", "Reserved", "Delivered", "Disputed", "Paid", "Returned"];
        numbers = [
            uint8(IAccessRequests.ReservationStatus.None),
            uint8(IAccessRequests.ReservationStatus.Reserved),
            uint8(IAccessRequests.ReservationStatus.Delivered),
            uint8(IAccessRequests.ReservationStatus.Disputed),
            uint8(IAccessRequests.ReservationStatus.Paid),
            uint8(IAccessRequests.ReservationStatus.Returned)
        ];
        last = uint8(type(IAccessRequests.ReservationStatus).max);
    }
}
