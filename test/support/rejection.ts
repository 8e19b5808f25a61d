/** Returns the error with which the promise rejects. Throws if it resolves. */
export async function rejectionOf(promise: Promise<unknown>): Promise<Error> {
  try {
    await promise;
  } catch (thrown) {
    return thrown as Error;
  }
  throw new Error('The promise was expected to reject, but it resolved.');
}
