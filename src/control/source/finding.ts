// What is to be said of a document: who, where, what, and what to do about it.

export type Severity =
  /** The object (or this version of it) has no effect. */
  | 'error'
  /** It has effect, and probably not the one that is meant. */
  | 'warning'
  | 'information';

export type Finding = {
  readonly severity: Severity;
  /** `objectKey` of the object; '' where a document does not even say what it is. */
  readonly key: string;
  readonly file: string;
  /** Both count from 1. */
  readonly line: number;
  readonly column: number;
  /** 'spec.http[0].route[1].weight'; '' for the document as a whole. */
  readonly path: string;
  readonly message: string;
  readonly remedy: string;
};

export type PathPart = string | number;

/** What a check says: the source adds key, file, line and column. */
export type Problem = {
  readonly severity: Severity;
  readonly path: readonly PathPart[];
  readonly message: string;
  readonly remedy: string;
};

/** 'spec.http[0].headers["x-a"]', as the API server writes it. */
export function formatPath(path: readonly PathPart[]): string {
  let text = '';
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`;
    else if (/^[A-Za-z_][\w-]*$/.test(part)) text += text === '' ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

/** The reverse of `formatPath`; what cannot be read ends the path. */
export function parsePath(text: string): PathPart[] {
  const parts: PathPart[] = [];
  const PART = /\.?([A-Za-z_][\w-]*)|\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]/y;
  for (let match = PART.exec(text); match !== null; match = PART.exec(text)) {
    const [, name, index, quoted] = match;
    if (name !== undefined) parts.push(name);
    else parts.push(index !== undefined ? Number(index) : (JSON.parse(quoted as string) as string));
  }
  return parts;
}

/** 'file:line:column: KEY: path: message; remedy', one line for people. */
export function formatFinding(finding: Finding): string {
  const { file, line, column, key, path, message, remedy } = finding;
  const about = [key, path].filter((part) => part !== '').join(': ');
  return `${[`${file}:${line}:${column}`, about, message].filter((part) => part !== '').join(': ')}; ${remedy}`;
}
