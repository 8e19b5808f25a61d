/** What every route that changes something has: a limit of how often, then the token. */
export interface ChangeOptions {
  readonly config: { readonly rateLimit: { readonly max: number; readonly timeWindow: string } };
  readonly preValidation: () => Promise<void>;
}
