/** What the promise rejects with, or a complaint that it didn't. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('It was expected to reject, and it resolved.');
}
