import {loadNetwork, run, Tensor, blocksOf, Random} from './lib/index.js'; import fs from 'fs'; import ort from 'onnxruntime-node';
const dir=process.argv[2]; const only=process.argv.slice(3); let ok=0;
for (const f of fs.readdirSync(dir).filter(f=>f.endsWith('.onnx')&&(!only.length||only.some(o=>f.includes(o))))) {
 let step='ort'; try { const r=new Random(1); const x=new Tensor([1,32,32,3],Float32Array.from({length:3072},()=>r.normal()));
  const s=await ort.InferenceSession.create(dir+f,{logSeverityLevel:4}); const o=await s.run({[s.inputNames[0]]:new ort.Tensor('float32',x.toNCHW(),[1,3,32,32])}); const e=Float32Array.from(o[s.outputNames[0]].data,Number);
  step='load'; const n=await loadNetwork(dir+f); const errs=[]; const outs={}; let bad=false; const b=blocksOf(n);
  for (const backend of ['reference','native','onnx']) { step=backend; const {output}=await run(n,x,{backend,masker:'random',rate:1}); let w=0,l=0; output.data.forEach((v,i)=>{w=Math.max(w,Math.abs(v-e[i])||0);l=Math.max(l,Math.abs(e[i]))}); if(!(w/l<1e-4))bad=true; errs.push((w/l).toExponential(1)); outs[backend]=(await run(n,x,{backend,masker:'random',rate:.4,granularity:4})).output.data; 
   let w2=0;outs.reference.forEach((v,i)=>{w2=Math.max(w2,Math.abs(v-outs[backend][i])/l)}); if(!(w2<1e-4)){bad=true;errs.push('MASK'+w2.toExponential(1))} }
  if (bad||b.length<2) console.log(f,'blocks',b.length,errs.join(' ')); else ok++; } catch(e){console.log(f,'-',step,e.code,e.code?e.message.slice(0,250):String(e.message).slice(0,120))} }
console.log(ok,'ok')
