/** The monitor's routes by the access that they need. */

/** Routes that change something and need the token. */
export const CHANGES = ['/sessions/nobody/end', '/runs/nobody/cancel', '/reset-stuck'];
/** Routes that need no token. */
export const OPEN = [
  '/livez',
  '/readyz',
  '/',
  '/dashboard/dashboard.js',
  '/dashboard/vendor/chart.umd.js',
  '/dashboard/vendor/lit-html/lit-html.js',
  '/favicon.ico',
];
/** Routes that read, and need the token if there is one. */
export const READS = [
  '/health',
  '/health/sessions',
  '/health/sessions/stuck',
  '/sessions',
  '/sessions/nobody',
  '/runs',
  '/runs/nobody',
  '/runs/nobody/records',
  '/runs/nobody/steps',
  '/runs/nobody/events',
  '/events',
  '/alerts',
  '/timeline',
  '/statistics',
  '/metrics',
  '/openapi.json',
  '/nothing/here',
];
