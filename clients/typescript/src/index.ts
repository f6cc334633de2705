/**
 * A client of the Whycart API with types.
 *
 * `api.ts` is written from docs/openapi.json by openapi-typescript, and openapi-fetch asks by it; here they are put
 * together. A question is not asked again: what is sent may be sent again without harm, so the caller can.
 */
import createClient, { type Client } from "openapi-fetch";
import type { paths, Problem } from "./api.js";

export type * from "./api.js";

export const DEFAULT_URL = "http://127.0.0.1:8000";

export interface Options {
  /** Where the API listens. */
  baseUrl?: string;
  /** Made by `whycart keys create`. A page must not hold one: whoever opens it could read it. */
  apiKey?: string;
  /** How long an answer is waited for, in milliseconds; one of the graph may take 30 seconds. */
  timeoutMs?: number;
  /** What sends, if not the fetch of the platform. */
  fetch?: (request: Request, how: RequestInit) => Promise<Response>;
}

/** Return a client: `client.GET("/v1/recommend/{user_id}", { params: ... })`. */
export function whycart(options: Options = {}): Client<paths> {
  const { baseUrl = DEFAULT_URL, apiKey, timeoutMs = 10_000, fetch = globalThis.fetch } = options;
  return createClient<paths>({
    baseUrl,
    headers: apiKey === undefined ? {} : { "X-API-Key": apiKey },
    fetch: (request) => fetch(request, { signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]) }),
  });
}

/** The API, or something before it, answered with an error. */
export class Refused extends Error {
  /** What the API said; null: it was not the API that answered. */
  readonly problem: Problem | null;

  constructor(
    /** Status of the answer. */
    readonly status: number,
    said: unknown,
  ) {
    const problem = isProblem(said) ? said : null;
    super(problem === null ? `the answer is ${status}` : `${problem.title}: ${problem.detail} (request ${problem.request_id})`);
    this.name = "Refused";
    this.problem = problem;
  }
}

function isProblem(said: unknown): said is Problem {
  return typeof said === "object" && said !== null && "detail" in said && "request_id" in said;
}

/** Return what was answered; an error of the API is thrown as `Refused`. */
export async function answerOf<T>(
  asked: Promise<{ data?: T; error?: unknown; response: Response }>,
): Promise<NonNullable<T>> {
  const { data, error, response } = await asked;
  if (data === undefined || data === null) {
    throw new Refused(response.status, error);
  }
  return data;
}
