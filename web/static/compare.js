// Models side by side: their curves, and their texts as they are generated.
import "./chart.js";
import { JobView } from "./jobview.js";

for (const root of document.querySelectorAll("[data-job]:not([data-ended])")) new JobView(root, { polls: true });
