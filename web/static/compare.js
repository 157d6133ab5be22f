// Models side by side: their curves, and what they write as it comes.
import "./chart.js";
import { JobView } from "./jobview.js";

for (const root of document.querySelectorAll("[data-job]:not([data-ended])")) new JobView(root, { asks: true });
