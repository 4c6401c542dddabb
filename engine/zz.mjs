import {loadNetwork, run, Tensor, blocksOf, openDense, Random, describeNetwork} from './lib/index.js'; import fs from 'fs';
const only=process.argv.slice(2);
for (const f of fs.readdirSync('/tmp/networks/onnx').filter(f=>f.endsWith('.onnx')&&(!only.length||only.some(o=>f.includes(o))))) {
 try { const t=performance.now(); const n=await loadNetwork('/tmp/networks/onnx/'+f); const ms=performance.now()-t;
  const {channels,height,width}=n.inputShape; const r=new Random(1); const x=new Tensor([1,height,width,channels],Float32Array.from({length:channels*height*width},()=>r.normal()));
  const d=await openDense(n,{batch:1,height,width}); const e=(await d.run(x)).output.data; await d.dispose();
  const errs=[]; const outs={}; for (const backend of ['native','onnx']) { const {output}=await run(n,x,{backend,masker:'random',rate:1}); let w=0,l=0; output.data.forEach((v,i)=>{w=Math.max(w,Math.abs(v-e[i]));l=Math.max(l,Math.abs(e[i]))}); errs.push((w/l).toExponential(1));
    outs[backend]=(await run(n,x,{backend,masker:'random',rate:.4,granularity:2})).output.data; }
  let w=0,l=0; outs.native.forEach((v,i)=>{w=Math.max(w,Math.abs(v-outs.onnx[i]));l=Math.max(l,Math.abs(v))}); errs.push((w/l).toExponential(1));
  const b=blocksOf(n); const D=describeNetwork(n); console.log(f.padEnd(18),d.source,'blocks',b.filter(x=>x.adaptive).length+'/'+b.length,(100*D.adaptiveFlops/D.flops).toFixed(0)+'%',errs.join(' '),ms.toFixed(0)+'ms',n.notes.join('; ')); if (only.length) for (const x of D.nodes) if(x.dense) console.log('   ',x.name,x.dense) } catch(e){console.log(f,'-',e.code,e.code?e.message:e.stack)} }
