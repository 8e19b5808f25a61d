/** The files that `init` writes. */

export const SETTINGS_TEMPLATE = `{
  "HEADLESS": true,
  "LOG_LEVEL": "info"
}
`;

export const IGNORED = ['node_modules/', 'output/', '.supervisor/'];

/** By the names that npm scripts have. */
export const NPM_SCRIPTS: Readonly<Record<string, string>> = {
  action: 'webdriver-supervisor run',
  runs: 'webdriver-supervisor runs',
  smoke: 'webdriver-supervisor smoke',
  doctor: 'webdriver-supervisor doctor',
};

/** The runners of GitHub have Chrome and its driver. */
export const GITHUB_TEMPLATE = `# Opens pages in headless Chrome and fails if one of them has errors. Set the variable SMOKE_URLS of the repository.
name: smoke
on:
  push:
  workflow_dispatch:
permissions:
  contents: read
jobs:
  smoke:
    runs-on: ubuntu-latest
    timeout-minutes: 15
    env:
      SMOKE_URLS: \${{ vars.SMOKE_URLS || 'https://example.com/' }}
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 24
      - run: npm install
      - run: npm run smoke -- $SMOKE_URLS --junit smoke.xml
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: smoke
          path: |
            smoke.xml
            output/
`;

export const GITLAB_TEMPLATE = `# Opens pages in headless Chrome and fails if one of them has errors. Set the CI variable SMOKE_URLS.
smoke:
  image: node:24
  timeout: 15 minutes
  script:
    - apt-get update && apt-get install --yes --no-install-recommends chromium chromium-driver
    - npm install
    - npm run smoke -- \${SMOKE_URLS:-https://example.com/} --junit smoke.xml
  artifacts:
    when: always
    paths:
      - output/
    reports:
      junit: smoke.xml
`;
