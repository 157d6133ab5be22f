// Keeps a job's page up to date.
import { charts } from "./chart.js";
import { JobView } from "./jobview.js";

const root = document.querySelector("[data-job]");
if (root) new JobView(root, { chart: charts.values().next().value });
