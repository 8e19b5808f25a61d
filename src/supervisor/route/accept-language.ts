/** Builds the `Accept-Language` header as Chromium builds it from the user's languages. */

/**
 * Returns the header for `languages`, which are in the order of preference; undefined if there are none. Like Chromium
 * (`ExpandLanguageList` and `GenerateAcceptLanguageHeader`), it adds the base language after its regions: `de-DE,fr` becomes
 * `de-DE,de;q=0.9,fr;q=0.8`.
 */
export function toAcceptLanguage(languages: readonly string[]): string | undefined {
  const expanded = new Set<string>();
  for (const [index, language] of languages.entries()) {
    expanded.add(language);
    const next = languages[index + 1];
    if (next === undefined || baseOf(next) !== baseOf(language)) expanded.add(baseOf(language));
  }
  const header = [...expanded].map((language, index) =>
    index === 0 ? language : `${language};q=0.${Math.max(1, 10 - index)}`,
  );
  return header.length === 0 ? undefined : header.join(',');
}

function baseOf(language: string): string {
  return language.split('-', 1)[0] ?? language;
}
