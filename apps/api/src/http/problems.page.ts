import { hash } from 'node:crypto';
import Mustache from 'mustache';

/** A problem with its code, as `/problems/{code}` explains it. */
export interface Explanation {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly explanation: string;
}

const STYLE = `
:root { color-scheme: light dark; --page: #f4f5f7; --card: #fff; --ink: #1b1f27; --quiet: #5a6372; --line: #dfe3ea; --accent: #2856d8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14161b; --card: #1d2027; --ink: #e8eaf0; --quiet: #98a1b2; --line: #2e333d; --accent: #8fadff; }
}
body { max-width: 46rem; margin: 2rem auto; padding: 0 1.25rem; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
article { margin: 0 0 .75rem; padding: 1rem 1.25rem; border: 1px solid var(--line); border-radius: .75rem; background: var(--card); overflow-wrap: anywhere; }
h1, h2 { margin: 0; font-size: 1.25rem; }
h2 { font-size: 1.05rem; }
p { margin: .5rem 0 0; }
a { color: var(--accent); }
.about { color: var(--quiet); font-size: .875rem; }
code { font-family: ui-monospace, Consolas, 'DejaVu Sans Mono', monospace; font-size: .9em; }
`;

// Mustache escapes `{{ }}`. Every address is relative, so the pages also work behind a proxy that adds a prefix.
const FRAME = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{title}} · Latchkey</title>
<link rel="icon" href="data:,">
<style>${STYLE}</style>
</head>
<body>
{{> content}}
</body>
</html>
`;
const EXPLANATION =
  '<p>{{#parts}}{{#isCode}}<code>{{text}}</code>{{/isCode}}{{^isCode}}{{text}}{{/isCode}}{{/parts}}</p>';
const ONE = `<main>
<article>
<h1>{{title}}</h1>
<p class="about">{{status}} · <code>{{code}}</code></p>
{{> explanation}}
</article>
<p><a href="../problems">All problems</a></p>
</main>`;
const LIST = `<main>
<h1>Problems</h1>
<p>Errors are <code>application/problem+json</code> documents (RFC 9457) with one of these codes.</p>
{{#problems}}
<article>
<h2><a href="problems/{{code}}">{{title}}</a></h2>
<p class="about">{{status}} · <code>{{code}}</code></p>
{{> explanation}}
</article>
{{/problems}}
</main>`;

/** The content of the pages needs no script. */
export const PROBLEM_PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': [
    "default-src 'none'",
    `style-src 'sha256-${hash('sha256', STYLE, 'base64')}'`,
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; '),
  'referrer-policy': 'no-referrer',
};

export function problemPage(problem: Explanation): string {
  return Mustache.render(FRAME, viewOf(problem), { content: ONE, explanation: EXPLANATION });
}

export function problemsPage(problems: readonly Explanation[]): string {
  const view = { title: 'Problems', problems: problems.map(viewOf) };
  return Mustache.render(FRAME, view, { content: LIST, explanation: EXPLANATION });
}

/** Every second part of an explanation is between backticks. */
function viewOf({ explanation, ...problem }: Explanation) {
  const parts = explanation.split('`').map((text, i) => ({ text, isCode: i % 2 === 1 }));
  return { ...problem, parts };
}
