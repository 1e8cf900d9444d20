/** Why a cluster cannot be a member. Each needs a person, or a new beginning; nothing is mended by trying again. */
export type MembershipProblem =
  /** There is neither a join token nor an identity from an earlier join. */
  | 'missing'
  /** The text is not a join token. */
  | 'malformed'
  /** The token was made for another cluster id. */
  | 'foreign'
  /** The token's time is over. */
  | 'expired'
  /** The token was used, revoked, or was never this hub's. */
  | 'spent'
  /** The cluster was removed from the hub after its token was made. */
  | 'refused'
  /** The cluster has joined another hub meanwhile. */
  | 'moved'
  /** Who answers at the hub's URL is not who the token's CA vouches for. */
  | 'unverified';

/** Its message never has a part of a token. */
export class MembershipError extends Error {
  override readonly name = 'MembershipError';
  readonly problem: MembershipProblem;

  constructor(problem: MembershipProblem, message: string, options?: ErrorOptions) {
    super(message, options);
    this.problem = problem;
  }
}

/** What a person runs to mend it. */
export function howToJoin(clusterId: string): string {
  return `run "kubectl nauti token create ${clusterId}" on the hub and give what it prints`;
}
