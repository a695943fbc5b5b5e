/**
 * The page: one shell, fed by one stream.
 * @module
 */
import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./palette.css";
import "./style.css";
import "./frame.css";
import "./entities.css";
import "./canvas.css";
import "./now.css";
import "./work.css";
import { App } from "./components/app.tsx";
import { listenForPaletteKeys } from "./components/palette.tsx";
import { followAddress } from "./models/route.ts";
import { show } from "./models/scheme.ts";
import { loadReport } from "./models/report.ts";
import { showReport } from "./models/report_frame.ts";
import { run } from "./models/stream.ts";

show();
followAddress();
listenForPaletteKeys();
const record = await loadReport();
if (record !== null) showReport(record);
render(<App />, document.getElementById("app")!);
if (record === null) void run();
