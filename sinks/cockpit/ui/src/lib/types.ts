// What the HTTP interface says (docs/api.md). Fields that an older server does not send are optional.

export type Band = "grey" | "blue" | "yellow" | "orange" | "red" | "none";

export interface Evidence {
  duration_s: number;
  observed: number | null;
  observed_text: string | null;
  expected: number | null;
  lower: number | null;
  upper: number | null;
  p: number | null;
}

export interface Duty {
  area: string | null;
  area_path: string[];
  level: string | number;
  department: string;
  since_s: number;
  due_s: number | null;
  escalated: number;
}

export interface Summary {
  id: string;
  seq: number;
  state: string;
  band: Band;
  risk: number;
  initial_risk: number;
  recurrence_s: number;
  area: string;
  area_path: string[];
  signals: string[];
  signal_titles: string[];
  onset_s: number;
  updated_s: number;
  reason: string;
  why: string;
  why_zh?: string;
  clears: string;
  clears_zh?: string;
  owner: string;
  label: string;
  members: number;
  lead: Evidence | null;
  duty?: Duty | null;
  muted_by?: string;
  /** Labels that experts hold against the one it has, each with how many do: "false 2". */
  dissent?: string[];
  /** Pseudonyms of those who have it before them. */
  seen?: string[];
}

export interface Member {
  area: string;
  area_path: string[];
  signal: string;
  signal_title: string;
  since_s: number;
  updated_s: number;
  recurrence_s: number;
  risk: number;
  why: string;
  why_zh?: string;
  evidence: Evidence[];
}

export interface StepDone {
  step: string;
  actor: string;
  at_s: number;
}

export interface Detail extends Omit<Summary, "members"> {
  members: Member[];
  members_left_off: number;
  playbook?: string | null;
  steps_done?: StepDone[];
  source_links?: { source: string; url: string }[];
}

export interface Transition {
  alert_id: string;
  seq: number;
  at_s: number;
  onset_s: number;
  area: string;
  area_path: string[];
  signals: string[];
  signal_titles: string[];
  from: string;
  to: string;
  reason: string;
  band: Band;
  risk: number;
  recurrence_s: number;
  notify: boolean;
  actor: string;
  why: string;
}

export interface AreaRow {
  code: string;
  name: string;
  level: number;
  parent: string | null;
  population: number | null;
  synthetic: boolean;
  risk: number;
  band: Band;
  alerts: number;
}

export interface SignalRow {
  name: string;
  title: string;
  title_zh?: string;
  purpose: string;
  kind: string;
  group: string;
}

export interface Department {
  name: string;
  title: string;
  title_zh?: string;
}

export interface City {
  name: string;
  title: string;
  timezone: string;
  levels: string[];
  signals: SignalRow[];
  sources: { name: string; stream: string }[];
  departments: Department[];
  labels: string[];
  suppress_below: number;
}

export interface SourceRow {
  source: string;
  stream: string;
  newest_s: number | null;
  lag_s: number | null;
  late_s_allowed: number;
}

export interface Session {
  actor: string;
  role: string;
  scope: string[];
  csrf: string;
  expires_s: number;
}

export interface Silence {
  id: string;
  actor: string;
  reason: string;
  area: string;
  area_path: string[];
  signals: string[];
  since_s: number;
  until_s: number;
}

export interface Playbook {
  name: string;
  title: { en: string; zh: string };
  steps: { id: string; en: string; zh: string }[];
  text: { en: string; zh: string };
}

export interface Past {
  area: string;
  since_s: number;
  until_s: number;
  /** Counts by hour are told of districts and the city only. */
  counts_told?: boolean;
  /** Hours in which something was counted; `average` is what gauges read, which have no `n`. */
  series: { signal: string; hours: number[]; n: (number | null)[]; average: (number | null)[] }[];
  risk: { at_s: number; risk: number; signal: string }[];
  alerts: { id: string; band: Band; risk: number; signals: string[]; state: string; onset_s: number; updated_s: number; reason: string; label: string }[];
}

export interface Quality {
  since_s: number;
  until_s: number;
  sources: { source: string; accepted: number; reasons: Record<string, number> }[];
  hours: { at_s: number; source: string; reason: string; n: number }[];
}

export interface IndexRow {
  group: string;
  title: string;
  alerts: number;
  acknowledge_s_median: number | null;
  resolve_s_median: number | null;
  true_share: number | null;
  repeats_30d: number | null;
  rating: number | null;
  per_shift: number;
  cap: number;
  hidden: boolean;
}

export interface AuditEntry {
  n: number;
  at_s: number;
  actor: string;
  role: string;
  action: string;
  subject: string;
}
