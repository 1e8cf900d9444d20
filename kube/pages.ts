import type { AnsweredPage } from './answer.ts';
import type { Query } from './path.ts';

export interface ListOptions {
  /** All namespaces where it is not given. */
  readonly namespace?: string | undefined;
  readonly labelSelector?: string | undefined;
  readonly fieldSelector?: string | undefined;
  /** Most objects in a page; pages are smaller where objects are large. Infinity asks for one page. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Items lack `apiVersion` and `kind` for built-in types: the API leaves them out in lists. */
export type Page = Pick<AnsweredPage, 'items' | 'resourceVersion'>;

type FetchPage = (query: Query, signal: AbortSignal) => Promise<AnsweredPage & { readonly bytes: number }>;

const firstLimit = 50;
const leastLimit = 10;
const defaultLimit = 500;
/** Parsing this much blocks the event loop for some 3 ms. */
const targetBytes = 512 * 1024;

/** The pages of one list, as large as their objects allow. What is being fetched when the reader leaves is aborted. */
export async function* readPages(
  { labelSelector, fieldSelector, limit: most = defaultLimit, signal: outer }: ListOptions,
  fetchPage: FetchPage,
): AsyncGenerator<Page, void, undefined> {
  const left = new AbortController();
  const signal = outer ? AbortSignal.any([outer, left.signal]) : left.signal;
  const fetch = (limit: number, token?: string) => {
    const bounded = Number.isFinite(limit) ? limit : undefined;
    const page = fetchPage({ labelSelector, fieldSelector, limit: bounded, continue: token }, signal);
    page.catch(() => undefined); // It is awaited below, or nobody wants it any more.
    return page;
  };
  // While a page is being worked on, the server already makes the next one.
  let next = fetch(Number.isFinite(most) ? Math.min(most, firstLimit) : most);
  try {
    for (;;) {
      const { items, resourceVersion, token, bytes } = await next;
      if (token !== undefined) {
        const fitting = Math.round((targetBytes * items.length) / Math.max(bytes, 1));
        next = fetch(Math.min(most, Math.max(leastLimit, fitting)), token);
      }
      yield { items, resourceVersion };
      if (token === undefined) return;
    }
  } finally {
    left.abort();
  }
}
